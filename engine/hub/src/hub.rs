//! The hub's side: one request for one file, redirects and all.

use std::io::{self, Read};
use std::time::Duration;

use ureq::http::{HeaderMap, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, BodyReader};

use crate::catalogue::{Model, catalogue};
use crate::error::HubError;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Longest silence on a connection.
const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// Most redirects for one file; the hub needs one or two.
const MOST_REDIRECTS: usize = 8;

/// A hub and how to reach it. Proxies come from the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`).
#[derive(Debug, Clone)]
pub struct Hub {
    endpoint: String,
    agent: Agent,
    pub(crate) pause: Duration,
}

/// The beginning of an answer; the bytes follow in `body`.
pub(crate) struct Answer {
    pub status: u16,
    /// Place of the first byte in the file.
    pub from: u64,
    /// Length of the file.
    pub total: Option<u64>,
    /// Length of the file as the hub knows it, which the machine that sends it may not.
    pub linked_size: Option<u64>,
    pub etag: Option<String>,
    pub sha256: Option<String>,
    pub body: BodyReader<'static>,
}

/// Why there is no answer.
pub(crate) enum NoAnswer {
    /// The connection failed; another try may do.
    Broken(String),
    /// It makes no sense to ask again.
    Final(String),
}

impl Hub {
    /// The hub that `VOCO_HUB_ENDPOINT` or `HF_ENDPOINT` names, or else the one of the built-in list.
    ///
    /// # Errors
    /// [`HubError::Endpoint`] if that is no address.
    pub fn from_env() -> Result<Self, HubError> {
        let name = |key| std::env::var(key).ok().filter(|name| !name.is_empty());
        let named = ["VOCO_HUB_ENDPOINT", "HF_ENDPOINT"].into_iter().find_map(name);
        Self::at(named.as_deref().unwrap_or(&catalogue().endpoint))
    }

    /// The hub at this address.
    ///
    /// # Errors
    /// [`HubError::Endpoint`] if it does not begin with https:// or http:// and a host.
    pub fn at(endpoint: &str) -> Result<Self, HubError> {
        let endpoint = endpoint.trim().trim_end_matches('/');
        let uri: Option<Uri> = endpoint.parse().ok();
        let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?)));
        let Some((scheme @ ("https" | "http"), host)) = parts else {
            return Err(HubError::Endpoint(endpoint.chars().take(80).collect()));
        };
        let mut config = Agent::config_builder()
            .user_agent(concat!("voco-workbench/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            // From an encrypted connection nothing leads to an open one.
            .https_only(scheme == "https")
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(READ_TIMEOUT))
            // The system's certificates: clinics often have one of their own.
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build());
        if is_this_machine(host) {
            config = config.proxy(None);
        }
        let agent = Agent::new_with_config(config.build());
        Ok(Self { endpoint: endpoint.to_owned(), agent, pause: Duration::from_secs(1) })
    }

    /// Its address.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Waits so long before it asks again after a broken connection, and twice as long each time.
    #[must_use]
    pub fn with_pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Asks for a file from byte `from` on.
    pub(crate) fn ask(&self, model: &Model, from: u64) -> Result<Answer, NoAnswer> {
        let all = catalogue();
        let mut address = format!("{}/{}/resolve/{}/{}", self.endpoint, all.repository, all.revision, model.file);
        let (mut linked_etag, mut linked_size) = (None, None);
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self.agent.get(&address);
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let response = request.call().map_err(|e| no_answer(&e))?;
            let (head, body) = response.into_parts();
            // The hub names the file on its first answer; where that leads to may not know it.
            linked_etag = linked_etag.or_else(|| text(&head.headers, "x-linked-etag").map(|etag| bare(&etag)));
            linked_size = linked_size.or_else(|| text(&head.headers, "x-linked-size")?.parse().ok());
            if head.status.is_redirection()
                && let Some(location) = text(&head.headers, header::LOCATION.as_str())
            {
                address = follow(&address, &location)
                    .ok_or_else(|| NoAnswer::Final("its redirect leads nowhere".to_owned()))?;
                continue;
            }
            let range = text(&head.headers, header::CONTENT_RANGE.as_str()).and_then(|range| content_range(&range));
            let length = text(&head.headers, header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
            let status = head.status.as_u16();
            let (from, total) = match range {
                Some((from, total)) if status == 206 || status == 416 => (from, total),
                _ => (0, length.or(linked_size)),
            };
            let sha256 =
                linked_etag.clone().filter(|etag| etag.len() == 64 && etag.bytes().all(|b| b.is_ascii_hexdigit()));
            let etag = linked_etag.or_else(|| text(&head.headers, header::ETAG.as_str()).map(|etag| bare(&etag)));
            return Ok(Answer { status, from, total, linked_size, etag, sha256, body: body.into_reader() });
        }
        Err(NoAnswer::Final("too many redirects".to_owned()))
    }
}

/// The next bytes; an end or an error before the last one is a broken connection.
pub(crate) fn read(body: &mut BodyReader<'static>, block: &mut [u8]) -> Result<usize, String> {
    loop {
        match body.read(block) {
            Ok(0) => return Err("it ended too early".to_owned()),
            Ok(count) => return Ok(count),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(reason(&ureq::Error::from(e))),
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|value| value.trim().to_owned())
}

/// An entity tag without its quotes and its mark of weakness.
fn bare(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

/// `bytes 5-9/10` as (5, 10), `bytes */10` as (0, 10).
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let from = if range == "*" { 0 } else { range.split_once('-')?.0.trim().parse().ok()? };
    let total = if total == "*" { None } else { Some(total.trim().parse().ok()?) };
    Some((from, total))
}

/// Where a redirect leads.
fn follow(address: &str, location: &str) -> Option<String> {
    if location.starts_with("https://") || location.starts_with("http://") {
        return Some(location.to_owned());
    }
    let base: Uri = address.parse().ok()?;
    if let Some(rest) = location.strip_prefix("//") {
        return Some(format!("{}://{rest}", base.scheme_str()?));
    }
    let path = location.starts_with('/').then_some(location)?;
    Some(format!("{}://{}{path}", base.scheme_str()?, base.authority()?))
}

/// Loopback addresses, which no proxy knows.
fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn no_answer(error: &ureq::Error) -> NoAnswer {
    use ureq::Error as E;
    let reason = reason(error);
    match error {
        E::Io(_)
        | E::Timeout(_)
        | E::HostNotFound
        | E::ConnectionFailed
        | E::Protocol(_)
        | E::ConnectProxyFailed(_) => NoAnswer::Broken(reason),
        _ => NoAnswer::Final(reason),
    }
}

/// A part of a sentence, without addresses.
fn reason(error: &ureq::Error) -> String {
    use ureq::Error as E;
    match error {
        // Under this kind come broken certificates; the words inside say what is wrong with them.
        E::Io(e) if e.kind() == io::ErrorKind::InvalidData => short(&e.to_string()),
        E::Io(e) if e.kind() != io::ErrorKind::Other => e.kind().to_string(),
        E::Timeout(_) => "no answer in time".to_owned(),
        E::HostNotFound => "its name is not known here".to_owned(),
        E::RequireHttpsOnly(_) => "it leads to an unencrypted address".to_owned(),
        E::BadUri(_) | E::Http(_) => "it leads to a bad address".to_owned(),
        other => short(&other.to_string()),
    }
}

fn short(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect();
    line.trim_end_matches(['.', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_understood() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes */10"), Some((0, Some(10))));
        assert_eq!(content_range("bytes 0-3/*"), Some((0, None)));
        for odd in ["5-9/10", "bytes 5-9", "bytes x-9/10", "bytes 5-9/ten", ""] {
            assert_eq!(content_range(odd), None, "{odd}");
        }
        assert_eq!(bare("W/\"abc\""), "abc");
    }

    #[test]
    fn redirects_lead_where_they_say() {
        let from = "https://hub.example:8/a/resolve/main/b.pt";
        assert_eq!(follow(from, "http://cdn.example/x?y=1").as_deref(), Some("http://cdn.example/x?y=1"));
        assert_eq!(follow(from, "//cdn.example/x").as_deref(), Some("https://cdn.example/x"));
        assert_eq!(follow(from, "/api/x").as_deref(), Some("https://hub.example:8/api/x"));
        assert_eq!(follow(from, "ftp://cdn.example/x"), None);
    }

    #[test]
    fn only_web_addresses_are_hubs() {
        for good in ["https://huggingface.co", "http://127.0.0.1:80/", "http://[::1]:5/mirror/"] {
            assert!(Hub::at(good).is_ok(), "{good}");
        }
        for bad in ["", "huggingface.co", "ftp://huggingface.co", "https://", "file:///etc"] {
            assert!(matches!(Hub::at(bad), Err(HubError::Endpoint(_))), "{bad}");
        }
        assert!(is_this_machine("[::1]") && is_this_machine("localhost") && !is_this_machine("10.0.0.1"));
    }
}
