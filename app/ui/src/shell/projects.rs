//! The window of a project: a CT opens in the one that was last used for the files beside it that are hung alike.

use std::path::Path;

use crate::{OpenVolume, Preferences, Session, ViewSettings, VolumeId};

/// A number that stands for the folder of a volume and the protocol that it is hung by, so that no name of a folder is kept and a brain
/// does not open in the window of the chest beside it; none for what has no folder, or whose values mean something else in each file
/// (only HU are the same everywhere).
fn key(volume: &OpenVolume, protocol: &str) -> Option<u64> {
    let folder = volume.path.as_deref().and_then(Path::parent).filter(|_| volume.unit() == "HU")?;
    // FNV-1a: the same in every version of the program.
    let bytes = folder.as_os_str().as_encoded_bytes().iter().chain(protocol.as_bytes());
    Some(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)))
}

/// Gives a new volume the window of its project.
pub(super) fn hang(session: &mut Session, settings: &ViewSettings, id: VolumeId, protocol: &str) {
    let Some(volume) = session.volume_mut(id).filter(|_| settings.preferences.keep_windows) else { return };
    let known =
        key(volume, protocol).and_then(|key| settings.preferences.project_windows.iter().find(|(k, _)| *k == key));
    if let Some((_, window)) = known {
        volume.window = *window;
    }
}

/// Remembers the window of the volume on show, once it is another than the one that it would open in.
pub(super) fn remember(session: &Session, settings: &mut ViewSettings, id: VolumeId, protocol: &str) {
    let Some(volume) = session.volume(id).filter(|_| settings.preferences.keep_windows) else { return };
    let Some(key) = key(volume, protocol) else { return };
    let opened_with = settings.opened_with.get(&id.0).copied();
    let windows = &mut settings.preferences.project_windows;
    match windows.iter().position(|(k, _)| *k == key) {
        Some(n) if windows[n].1 == volume.window => {}
        Some(n) => {
            windows.remove(n);
            windows.push((key, volume.window));
        }
        // What it opened in says nothing of what the reader wants.
        None if opened_with.is_some_and(|window| window != volume.window) => {
            windows.push((key, volume.window));
            let surplus = windows.len().saturating_sub(Preferences::MAX_PROJECTS);
            windows.drain(..surplus);
        }
        None => {}
    }
}
