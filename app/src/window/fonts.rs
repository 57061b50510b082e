//! Fonts of the system for the scripts that the built-in one lacks: names of files and labels may be in any.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use egui::{FallbackRequest, FontData, FontInsert, FontProvider};
use parking_lot::Mutex;

/// Folders within the folders of fonts.
const MAX_DEPTH: usize = 4;
/// Larger than any font of one script.
const MAX_BYTES: u64 = 64 << 20;

/// Scripts that the built-in font has no letters of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    EastAsian,
    Arabic,
    Hebrew,
    Devanagari,
    Thai,
}

impl Script {
    fn of(letter: char) -> Option<Self> {
        Some(match u32::from(letter) {
            0x0590..=0x05ff => Self::Hebrew,
            0x0600..=0x077f | 0xfb50..=0xfdff | 0xfe70..=0xfeff => Self::Arabic,
            0x0900..=0x097f => Self::Devanagari,
            0x0e00..=0x0e7f => Self::Thai,
            0x1100..=0x11ff
            | 0x2e80..=0x9fff
            | 0xac00..=0xd7ff
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe4f
            | 0xff00..=0xffef
            | 0x2_0000..=0x3_ffff => Self::EastAsian,
            _ => return None,
        })
    }

    /// How the names of files begin that hold it, on Linux, macOS and Windows, the best first.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::EastAsian => &[
                "notosanscjk",
                "sourcehansans",
                "notosanssc",
                "notosansjp",
                "wqy-",
                "droidsansfallback",
                "pingfang",
                "hiragino",
                "msyh",
                "yugoth",
                "malgun",
                "simsun",
            ],
            Self::Arabic => &["notosansarabic", "notonaskharabic", "dejavusans.", "geezapro", "segoeui.", "tahoma."],
            Self::Hebrew => &["notosanshebrew", "dejavusans.", "arialhb", "segoeui.", "arial."],
            Self::Devanagari => &["notosansdevanagari", "lohit-devanagari", "kohinoor", "nirmala", "mangal"],
            Self::Thai => &["notosansthai", "loma", "thonburi", "leelawui", "tahoma."],
        }
    }
}

/// Looks for a font when a letter is to be drawn that no other has, once for each script.
#[derive(Default)]
pub(super) struct SystemFonts {
    files: OnceLock<Vec<PathBuf>>,
    given: Mutex<Vec<Script>>,
}

impl SystemFonts {
    fn find(&self, script: Script) -> Option<PathBuf> {
        let files =
            self.files.get_or_init(|| folders().iter().flat_map(|folder| fonts_in(folder, MAX_DEPTH)).collect());
        best(files, script).cloned()
    }
}

impl FontProvider for SystemFonts {
    /// Reads a file in between two frames: a few milliseconds, once for each script.
    fn font_for(&self, request: &FallbackRequest<'_>) -> Option<FontInsert> {
        let script = Script::of(request.cluster.chars().next()?)?;
        let mut given = self.given.lock();
        if given.contains(&script) {
            return None;
        }
        given.push(script);
        let path = self.find(script)?;
        if std::fs::metadata(&path).ok()?.len() > MAX_BYTES {
            return None;
        }
        let bytes = std::fs::read(&path).ok()?;
        let all = [egui::FontFamily::Proportional, egui::FontFamily::Monospace, request.family.clone()];
        let families = all.map(|family| egui::epaint::text::InsertFontFamily {
            family,
            priority: egui::epaint::text::FontPriority::Lowest,
        });
        Some(FontInsert::new(&format!("system {script:?}"), FontData::from_owned(bytes), families.to_vec()))
    }
}

fn best(files: &[PathBuf], script: Script) -> Option<&PathBuf> {
    let name = |path: &PathBuf| path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    script.files().iter().find_map(|wanted| {
        // Of several weights, the one whose name is shortest is the plain one.
        files.iter().filter(|path| name(path).starts_with(wanted)).min_by_key(|path| name(path).len())
    })
}

fn folders() -> Vec<PathBuf> {
    let fixed = ["/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "/Library/Fonts"];
    let mut folders: Vec<PathBuf> = fixed.iter().map(PathBuf::from).collect();
    if let Some(dirs) = directories::BaseDirs::new() {
        folders.push(dirs.data_dir().join("fonts"));
        folders.push(dirs.home_dir().join(".fonts"));
    }
    folders.extend(std::env::var_os("WINDIR").map(|dir| PathBuf::from(dir).join("Fonts")));
    folders
}

fn fonts_in(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.filter_map(Result::ok).map(|e| e.path()) {
        let is_font =
            path.extension().is_some_and(|e| ["ttf", "otf", "ttc"].iter().any(|known| e.eq_ignore_ascii_case(known)));
        if is_font {
            found.push(path);
        } else if depth > 0 && path.is_dir() {
            found.extend(fonts_in(&path, depth - 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Script, best};
    use std::path::PathBuf;

    #[test]
    fn letters_have_their_script_and_scripts_the_plain_font() {
        assert_eq!(Script::of('肝'), Some(Script::EastAsian));
        assert_eq!(Script::of('간'), Some(Script::EastAsian));
        assert_eq!(Script::of('ك'), Some(Script::Arabic));
        assert_eq!(Script::of('é'), None);
        let files: Vec<PathBuf> =
            ["/f/NotoSansCJK-Bold.ttc", "/f/wqy-zenhei.ttc", "/f/NotoSansCJK.ttc", "/f/DejaVuSansMono.ttf"]
                .map(PathBuf::from)
                .into();
        assert_eq!(best(&files, Script::EastAsian), Some(&files[2]));
        assert_eq!(best(&files, Script::Thai), None);
        assert_eq!(best(&files, Script::Arabic), None, "a mono font is no match for DejaVuSans.ttf");
    }
}
