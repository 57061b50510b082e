//! Fetching from a real HTTP server on loopback, with everything that goes wrong on the way.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod server;

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use server::{Body, Server, Site};
use voco_hub::{Check, Control, Fetched, Hub, HubError, Model, Phase, Presence, Progress, Source, Store};

const BYTES: u64 = 2_000_000;

/// Checksums of [`bytes`]`(1)` and `(2)` by Python's hashlib.
const MD5: [&str; 2] = ["b0ac3b9b1e3c7a90a1e39ebe43200c74", "8c594e06a8a529daaadc17fed9093600"];
const SHA256: [&str; 2] = [
    "3ef1724ff9c580797241ba36edd8395e0b43793f0e7a4cb3c2e6f3ecea7fe789",
    "b3375d20fdaa48b639f020e229f586e0317850130d23d08aaacb04e329f5a2c9",
];

/// The top bytes of multiples of Knuth's constant, and of others for another `salt`.
fn bytes(salt: u32) -> Vec<u8> {
    (0..BYTES as u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(salt * 97) >> 24) as u8).collect()
}

fn model() -> Model {
    Model {
        name: "Small".to_owned(),
        file: "Small.pt".to_owned(),
        network: "none".to_owned(),
        purpose: "a test".to_owned(),
        parameters: BYTES / 4 - 50,
        bytes: BYTES - 200,
        md5: None,
    }
}

fn site(salt: u32) -> Site {
    let body = Body::Bytes(Arc::new(bytes(salt)));
    Site { body, sha256: Some(SHA256[salt as usize - 1].to_owned()), ..Site::default() }
}

struct Bench {
    server: Server,
    folder: tempfile::TempDir,
    store: Store,
    hub: Hub,
}

impl Bench {
    fn new(site: Site) -> Self {
        let server = Server::start(site);
        let folder = tempfile::tempdir().unwrap();
        // A folder that is not there yet.
        let store = Store::at(folder.path().join("models"));
        let hub = Hub::at(&server.endpoint).unwrap().with_pause(Duration::from_millis(1));
        Self { server, folder, store, hub }
    }

    fn source(&self) -> Source {
        Source::Hub(self.hub.clone())
    }

    fn fetch(&self, model: &Model) -> Result<Fetched, HubError> {
        self.store.fetch(model, &self.source(), Control { progress: &|_| {}, is_cancelled: &|| false })
    }

    /// Stops once so many bytes are there.
    fn fetch_until(&self, model: &Model, stop: u64) -> HubError {
        let part = self.store.folder().join("Small.pt.part");
        let is_cancelled = || part.metadata().is_ok_and(|info| info.len() >= stop);
        let control = Control { progress: &|_| {}, is_cancelled: &is_cancelled };
        self.store.fetch(model, &self.source(), control).unwrap_err()
    }

    fn assert_right(&self, fetched: &Fetched, salt: u32) {
        let place = self.store.folder().join("Small.pt");
        assert_eq!((&fetched.path, fetched.bytes), (&place, BYTES), "place and length");
        assert!(fs::read(&fetched.path).unwrap() == bytes(salt), "the bytes are the server's");
        assert_eq!(self.files(), ["Small.pt"], "nothing is left beside it");
        assert_eq!(self.store.presence(&model()), Presence::Present { bytes: BYTES }, "and it is seen");
    }

    fn files(&self) -> Vec<String> {
        names(self.store.folder())
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// One sentence that begins with the file's name and says no folder.
fn sentence(bench: &Bench, error: &HubError) -> String {
    let text = error.to_string();
    let folder = bench.folder.path().to_string_lossy();
    assert!(text.starts_with("Small.pt: ") && !text.contains('\n') && !text.contains(&*folder), "{text}");
    text
}

/// The first byte that each request for bytes asked for.
fn ranges(server: &Server) -> Vec<u64> {
    let asked = |head: String| {
        let is_bytes = head.starts_with("get /bytes");
        let range = head.lines().find_map(|l| l.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
        is_bytes.then(|| range.unwrap_or(0))
    };
    server.requests().into_iter().filter_map(asked).collect()
}

#[test]
fn a_file_comes_over_the_redirect_and_is_checked() {
    let bench = Bench::new(site(1));
    let reports = RefCell::new(Vec::new());
    let control = Control { progress: &|p| reports.borrow_mut().push(p), is_cancelled: &|| false };
    let fetched = bench.store.fetch(&model(), &bench.source(), control).unwrap();
    assert_eq!((fetched.check, fetched.was_there), (Check::Sha256, false));
    bench.assert_right(&fetched, 1);
    let reports = reports.into_inner();
    let last_of = |phase| reports.iter().rev().find(|p| p.phase == phase).map(|p| (p.done, p.total));
    assert_eq!(last_of(Phase::Downloading), Some((BYTES, BYTES)));
    assert_eq!(last_of(Phase::Checking), Some((BYTES, BYTES)));
    // What goes out: the file's name, and who asks, by program and version.
    let requests = bench.server.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(requests[0].starts_with("get /luffy503/voco/resolve/main/small.pt http/1.1"), "{requests:?}");
    for line in requests.iter().flat_map(|head| head.lines().skip(1)).filter(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap();
        assert!(["host", "user-agent", "accept", "accept-encoding", "connection"].contains(&name), "{line}");
    }
    // A second time nothing is asked for.
    let again = bench.fetch(&model()).unwrap();
    assert!(again.was_there && bench.server.requests().is_empty(), "it is there");
}

#[test]
fn broken_connections_are_taken_up_where_they_broke() {
    let mut site = site(1);
    // More breaks than tries without progress are allowed.
    site.cuts = [300_000, 1, 200_000, 65_536, 100_000, 100_000, 100_000, 100_000].into();
    let bench = Bench::new(site);
    let fetched = bench.fetch(&Model { md5: Some(MD5[0].to_owned()), ..model() }).unwrap();
    bench.assert_right(&fetched, 1);
    let ranges = ranges(&bench.server);
    assert_eq!(ranges.len(), 9, "{ranges:?}");
    assert!(ranges.is_sorted() && ranges[1] <= 300_000 && ranges[8] > 300_000, "each goes on: {ranges:?}");
}

#[test]
fn a_hub_that_never_sends_anything_is_given_up() {
    let mut site = site(1);
    site.cuts = [500_000, 0, 0, 0, 0, 0, 0].into();
    let bench = Bench::new(site);
    let error = bench.fetch(&model()).unwrap_err();
    let HubError::Interrupted { kept, total, .. } = error else { panic!("{error}") };
    assert_eq!(total, BYTES);
    assert_eq!(bench.store.presence(&model()), Presence::Partial { bytes: kept });
    assert_eq!(ranges(&bench.server).len(), 6, "one with bytes, five without");
    bench.server.site.lock().cuts.clear();
    bench.assert_right(&bench.fetch(&model()).unwrap(), 1);
    assert_eq!(ranges(&bench.server), [kept]);
}

#[test]
fn a_stopped_fetch_keeps_its_part_and_goes_on() {
    let bench = Bench::new(site(1));
    let error = bench.fetch_until(&model(), 500_000);
    let HubError::Cancelled { kept, .. } = error else { panic!("{error}") };
    assert!(error.is_cancelled() && (500_000..BYTES).contains(&kept), "{kept}");
    sentence(&bench, &error);
    assert_eq!(bench.files(), ["Small.pt.part", "Small.pt.part.json"]);
    assert_eq!(bench.store.presence(&model()), Presence::Partial { bytes: kept });
    bench.server.requests();
    bench.assert_right(&bench.fetch(&model()).unwrap(), 1);
    assert_eq!(ranges(&bench.server), [kept]);
}

#[test]
fn a_fetch_stopped_during_the_check_asks_for_nothing_again() {
    let bench = Bench::new(site(1));
    let is_checking = Cell::new(false);
    let progress = |p: Progress| is_checking.set(p.phase == Phase::Checking);
    let control = Control { progress: &progress, is_cancelled: &|| is_checking.get() };
    assert!(bench.store.fetch(&model(), &bench.source(), control).unwrap_err().is_cancelled());
    assert_eq!(bench.store.presence(&model()), Presence::Partial { bytes: BYTES });
    bench.server.requests();
    let fetched = bench.fetch(&model()).unwrap();
    assert_eq!(fetched.check, Check::Sha256, "the hub's checksum was noted");
    bench.assert_right(&fetched, 1);
    assert!(bench.server.requests().is_empty(), "all bytes were there");
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    let bench = Bench::new(site(1));
    bench.fetch_until(&model(), 500_000);
    bench.server.site.lock().ignores_range = true;
    bench.assert_right(&bench.fetch(&model()).unwrap(), 1);
}

#[test]
fn another_file_by_now_is_begun_anew() {
    for sha256 in [Some(SHA256[1].to_owned()), None] {
        let bench = Bench::new(site(1));
        bench.fetch_until(&model(), 500_000);
        bench.server.requests();
        *bench.server.site.lock() = Site { sha256, ..site(2) };
        bench.assert_right(&bench.fetch(&model()).unwrap(), 2);
        assert_eq!(ranges(&bench.server)[1..], [0], "asked for once more, from the start");
    }
    // Shorter than what is there already.
    let bench = Bench::new(site(1));
    let loose = Model { parameters: 100_000, ..model() };
    bench.fetch_until(&loose, 1_000_000);
    let body = Body::Bytes(Arc::new(bytes(1)[..800_000].to_vec()));
    *bench.server.site.lock() = Site { body, sha256: None, ..Site::default() };
    assert_eq!(bench.fetch(&loose).unwrap().bytes, 800_000);
}

#[test]
fn bytes_of_unknown_origin_are_not_gone_on_with() {
    let bench = Bench::new(site(1));
    fs::create_dir_all(bench.store.folder()).unwrap();
    for note in [None, Some("no JSON"), Some(r#"{"etag":null,"sha256":null,"bytes":10}"#)] {
        fs::write(bench.store.folder().join("Small.pt.part"), [7; 5000]).unwrap();
        let path = bench.store.folder().join("Small.pt.part.json");
        if let Some(text) = note {
            fs::write(&path, text).unwrap();
        }
        let fetched = bench.fetch(&model()).unwrap();
        bench.assert_right(&fetched, 1);
        fs::remove_file(fetched.path).unwrap();
    }
}

#[test]
fn files_of_a_wrong_size_are_refused() {
    let page = Body::Bytes(Arc::new(b"<html>Please log in to the network</html>".to_vec()));
    let long = Body::Zeros(1 << 40);
    for (body, linked_size) in [(page, None), (long, None), (site(1).body, Some(BYTES + 1))] {
        let bench = Bench::new(Site { body, linked_size, ..Site::default() });
        let error = bench.fetch(&model()).unwrap_err();
        assert!(matches!(error, HubError::WrongSize { .. }), "{error}");
        sentence(&bench, &error);
        assert_eq!(bench.files(), [""; 0]);
    }
}

#[test]
fn files_with_a_wrong_checksum_are_deleted() {
    for (sha256, md5, kind) in [
        (Some(SHA256[1]), None, Check::Sha256),
        (None, Some(MD5[1]), Check::Md5),
        (Some(SHA256[0]), Some(MD5[1]), Check::Md5),
    ] {
        let bench = Bench::new(Site { sha256: sha256.map(str::to_owned), ..site(1) });
        let error = bench.fetch(&Model { md5: md5.map(str::to_owned), ..model() }).unwrap_err();
        let text = sentence(&bench, &error);
        let HubError::WrongChecksum { kind: found, .. } = error else { panic!("{error}") };
        assert_eq!(found, kind);
        assert!(text.contains(if kind == Check::Md5 { MD5[0] } else { SHA256[0] }), "{text}");
        assert_eq!(bench.files(), [""; 0]);
        *bench.server.site.lock() = site(1);
        bench.assert_right(&bench.fetch(&model()).unwrap(), 1);
    }
}

#[test]
fn without_a_published_checksum_the_length_has_to_do() {
    let bench = Bench::new(Site { sha256: None, ..site(1) });
    assert_eq!(bench.fetch(&model()).unwrap().check, Check::Size);
    // Not every tag of 64 digits is a SHA-256: only the hub's own is believed.
    let bench = Bench::new(Site { sha256: Some("abc".to_owned()), ..site(1) });
    assert_eq!(bench.fetch(&model()).unwrap().check, Check::Size);
}

#[test]
fn other_answers_than_the_file_get_a_sentence() {
    for (status, tries, part_of_text) in
        [(404, 1, "404"), (401, 1, "401"), (403, 1, "403"), (503, 5, "503"), (429, 5, "429")]
    {
        let bench = Bench::new(Site { status: Some(status), ..site(1) });
        let text = sentence(&bench, &bench.fetch(&model()).unwrap_err());
        assert!(text.contains(part_of_text), "{text}");
        assert_eq!(bench.server.requests().len(), tries, "{status}");
        assert_eq!(bench.files(), [""; 0], "{status}");
    }
    for location in ["/luffy503/voco/resolve/main/around", "ftp://127.0.0.1/file", "http://[", ""] {
        let bench = Bench::new(Site { location: Some(location.to_owned()), ..site(1) });
        let error = bench.fetch(&model()).unwrap_err();
        assert!(matches!(error, HubError::Unreachable { .. }), "{location}: {error}");
        sentence(&bench, &error);
        assert!(bench.server.requests().len() < 12, "{location}: not for ever");
    }
    let bench = Bench::new(Site { hides_length: true, ..site(1) });
    assert!(matches!(bench.fetch(&model()).unwrap_err(), HubError::Refused { .. }));
}

#[test]
fn relative_redirects_are_followed() {
    let bench = Bench::new(Site { location: Some("/bytes/elsewhere".to_owned()), ..site(1) });
    bench.assert_right(&bench.fetch(&model()).unwrap(), 1);
}

#[test]
fn no_hub_is_said_at_once() {
    // The port was free a moment ago, and nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut bench = Bench::new(site(1));
    bench.hub = Hub::at(&format!("http://127.0.0.1:{port}")).unwrap();
    let error = bench.fetch(&model()).unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    let text = sentence(&bench, &error);
    assert!(text.contains("connection refused") && text.contains("VOCO_HUB_ENDPOINT"), "{text}");
    assert_eq!(bench.files(), [""; 0]);
}

#[test]
fn a_part_is_written_by_one_program_at_a_time() {
    let bench = Bench::new(site(1));
    bench.fetch_until(&model(), 500_000);
    let part = fs::File::open(bench.store.folder().join("Small.pt.part")).unwrap();
    part.lock().unwrap();
    let error = bench.fetch(&model()).unwrap_err();
    assert!(matches!(error, HubError::Busy { .. }), "{error}");
    sentence(&bench, &error);
    drop(part);
    bench.assert_right(&bench.fetch(&model()).unwrap(), 1);
}

#[test]
fn a_folder_serves_as_well() {
    let bench = Bench::new(site(1));
    let from = bench.folder.path().join("downloads");
    fs::create_dir(&from).unwrap();
    let source = Source::Folder(from.clone());
    let take = |model: &Model, stop: bool| {
        bench.store.fetch(model, &source, Control { progress: &|_| {}, is_cancelled: &|| stop })
    };
    let known = Model { md5: Some(MD5[0].to_owned()), ..model() };
    let error = take(&known, false).unwrap_err();
    assert!(matches!(error, HubError::NotInFolder { .. }), "{error}");
    sentence(&bench, &error);
    // An unfinished download is not lost to a bad copy.
    bench.fetch_until(&model(), 500_000);
    let unfinished = bench.store.presence(&model());
    fs::write(from.join("Small.pt"), &bytes(1)[..1000]).unwrap();
    let error = take(&known, false).unwrap_err();
    assert!(matches!(error, HubError::WrongSize { .. }), "{error}");
    fs::write(from.join("Small.pt"), bytes(2)).unwrap();
    let error = take(&known, false).unwrap_err();
    assert!(matches!(error, HubError::WrongChecksum { .. }), "{error}");
    fs::write(from.join("Small.pt"), bytes(1)).unwrap();
    assert!(take(&known, true).unwrap_err().is_cancelled());
    assert_eq!(bench.store.presence(&model()), unfinished);
    assert_eq!(bench.files(), ["Small.pt.part", "Small.pt.part.json"]);
    let fetched = take(&known, false).unwrap();
    assert_eq!(fetched.check, Check::Md5);
    bench.assert_right(&fetched, 1);
    assert_eq!(names(&from), ["Small.pt"], "the folder keeps its own");
}

#[test]
fn a_damaged_file_is_found_out() {
    let bench = Bench::new(site(1));
    fs::create_dir_all(bench.store.folder()).unwrap();
    let path = bench.store.path(&model());
    let known = Model { md5: Some(MD5[0].to_owned()), ..model() };
    for (bytes, kind) in [(bytes(2), Check::Md5), (vec![0; 10], Check::Size)] {
        fs::write(&path, bytes).unwrap();
        let error = bench.fetch(&known).unwrap_err();
        assert!(matches!(error, HubError::Damaged { kind: found, .. } if found == kind), "{error}");
        sentence(&bench, &error);
    }
    fs::write(&path, bytes(1)).unwrap();
    assert_eq!(bench.fetch(&known).unwrap().check, Check::Md5);
}
