//! Pictures of a volume that turns, as a film (GIF) or as PNG files. They hold pixels only: nothing tells whose images they are.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use glam::DQuat;
use voco_io::Control;
use voco_render::VolumeCamera;
use voco_ui::i18n;

/// The camera of picture `n` of `num`: once around the patient's long axis.
pub(crate) fn turned(camera: &VolumeCamera, n: u32, num: u32) -> VolumeCamera {
    let angle = f64::from(n) / f64::from(num.max(1)) * std::f64::consts::TAU;
    VolumeCamera { orientation: (DQuat::from_rotation_z(angle) * camera.orientation).normalize(), ..camera.clone() }
}

/// What is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Film {
    pub size: [u32; 2],
    pub num_frames: u32,
    pub frames_per_second: u32,
}

/// Writes a film: a GIF if the path ends so, one PNG if there is one picture, else a folder of PNG files. Nothing is left under
/// the name if it is cancelled or fails.
///
/// # Errors
/// If a picture cannot be made or written, or it was cancelled.
pub(crate) fn write(
    path: &Path,
    film: Film,
    picture: &mut dyn FnMut(u32) -> anyhow::Result<Vec<u8>>,
    control: Control<'_>,
) -> anyhow::Result<()> {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let failed = |e: &dyn std::fmt::Display| {
        anyhow::anyhow!(i18n::text_with(
            "tell-film-not-written",
            [("name", name.as_str().into()), ("why", e.to_string().into())]
        ))
    };
    let mut next = |n: u32| -> anyhow::Result<Vec<u8>> {
        anyhow::ensure!(
            !(control.is_cancelled)(),
            i18n::text_with("tell-film-stopped", [("name", name.as_str().into())])
        );
        let rgba = picture(n)?;
        (control.progress)((n + 1) as f32 / film.num_frames as f32);
        Ok(rgba)
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(|e| failed(&e.kind()))?;
    let [width, height] = film.size;
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gif")) {
        let (Ok(gif_width), Ok(gif_height)) = (u16::try_from(width), u16::try_from(height)) else {
            anyhow::bail!(i18n::text_with("tell-gif-too-large", [("name", name.as_str().into())]))
        };
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(&e.kind()))?;
        {
            let out = BufWriter::new(file.as_file_mut());
            let mut encoder = gif::Encoder::new(out, gif_width, gif_height, &[]).map_err(|e| failed(&e))?;
            encoder.set_repeat(gif::Repeat::Infinite).map_err(|e| failed(&e))?;
            for n in 0..film.num_frames {
                let mut rgba = next(n)?;
                let mut frame = gif::Frame::from_rgba_speed(gif_width, gif_height, &mut rgba, 10);
                // Hundredths of a second.
                frame.delay = u16::try_from(100 / film.frames_per_second.clamp(1, 50)).unwrap_or(5);
                encoder.write_frame(&frame).map_err(|e| failed(&e))?;
            }
        }
        file.persist(path).map_err(|e| failed(&e.error.kind()))?;
        return Ok(());
    }
    let png = |rgba: &[u8], to: &Path, folder: &Path| -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
        image::ImageEncoder::write_image(encoder, rgba, width, height, image::ExtendedColorType::Rgba8)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(&e.kind()))?;
        file.write_all(&bytes).map_err(|e| failed(&e.kind()))?;
        file.persist(to).map_err(|e| failed(&e.error.kind()))?;
        Ok(())
    };
    if film.num_frames == 1 {
        return png(&next(0)?, path, folder);
    }
    // A folder appears under its name once it is whole; one that is there takes the files.
    let temporary = tempfile::TempDir::new_in(folder).map_err(|e| failed(&e.kind()))?;
    for n in 0..film.num_frames {
        png(&next(n)?, &temporary.path().join(format!("{n:04}.png")), temporary.path())?;
    }
    if path.exists() {
        for n in 0..film.num_frames {
            let file = format!("{n:04}.png");
            std::fs::rename(temporary.path().join(&file), path.join(&file)).map_err(|e| failed(&e.kind()))?;
        }
    } else {
        std::fs::rename(temporary.keep(), path).map_err(|e| failed(&e.kind()))?;
    }
    // So that a power cut does not leave a name without its files.
    File::open(folder).and_then(|f| f.sync_all()).ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Film, turned, write};
    use voco_io::Control;
    use voco_render::VolumeCamera;

    #[test]
    fn a_turn_goes_once_around_the_long_axis() {
        let camera = VolumeCamera::default();
        let eyes: Vec<_> = (0..4).map(|n| turned(&camera, n, 4).eye_mm()).collect();
        assert!((eyes[0] - camera.eye_mm()).length() < 1e-6);
        assert!((eyes[0] + eyes[2]).length() < 1e-6 && (eyes[1] + eyes[3]).length() < 1e-6);
        assert!(eyes.iter().all(|e| e.z.abs() < 1e-6));
    }

    #[test]
    fn films_are_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let film = Film { size: [20, 16], num_frames: 3, frames_per_second: 10 };
        let mut grey = |n: u32| Ok(vec![(n * 80) as u8; 20 * 16 * 4]);
        let gif = folder.path().join("turn.gif");
        write(&gif, film, &mut grey, Control::NONE).unwrap();
        let mut reader = gif::DecodeOptions::new().read_info(std::fs::File::open(&gif).unwrap()).unwrap();
        let mut delays = Vec::new();
        while let Some(frame) = reader.read_next_frame().unwrap() {
            delays.push((frame.delay, frame.width, frame.height));
        }
        assert_eq!(delays, [(10, 20, 16); 3]);
        let pngs = folder.path().join("turn");
        write(&pngs, film, &mut grey, Control::NONE).unwrap();
        let second = image::open(pngs.join("0001.png")).unwrap().to_rgba8();
        assert_eq!((second.dimensions(), second.get_pixel(3, 3).0), ((20, 16), [80; 4]));
        let stopped = folder.path().join("stopped.gif");
        let control = Control { is_cancelled: &|| true, ..Control::NONE };
        assert!(write(&stopped, film, &mut grey, control).is_err());
        assert!(!stopped.exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing half done is left");
    }
}
