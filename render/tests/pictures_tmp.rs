use std::time::Instant;
use glam::*;
use voco_render::*;
use voco_volume::*;
fn load(p: &str) -> Volume {
    let b = std::fs::read(p).unwrap();
    let f = |n: usize| f64::from_le_bytes(b[n * 8..n * 8 + 8].try_into().unwrap());
    let dims = [f(0) as usize, f(1) as usize, f(2) as usize];
    let r = |i: usize| DVec3::new(f(3 + i), f(7 + i), f(11 + i));
    let aff = DAffine3::from_cols(r(0), r(1), r(2), r(3));
    let d: Vec<i16> = b[120..].chunks(2).map(|c| i16::from_le_bytes([c[0], c[1]])).collect();
    Volume::new(Geometry::new(dims, aff).unwrap(), Voxels::I16(d.into()), Rescale::IDENTITY).unwrap()
}
fn save(p: &str, rgba: &[u8], s: [u32; 2]) {
    let mut o = format!("P6 {} {} 255\n", s[0], s[1]).into_bytes();
    o.extend(rgba.chunks(4).flat_map(|c| [c[0], c[1], c[2]]));
    std::fs::write(p, o).unwrap();
}
#[test]
fn pictures() {
    let ctx = RenderContext::headless().unwrap();
    println!("{} {}", ctx.adapter_name(), ctx.is_software());
    let r = Renderer::new(&ctx, RenderContext::OFFSCREEN_FORMAT);
    let mut st = ViewState::new(&ctx, &r);
    let list = std::env::var("PICS").unwrap();
    for item in list.split_whitespace() {
        let mut it = item.split(':');
        let (name, presets, lab) = (it.next().unwrap(), it.next().unwrap(), it.next().unwrap_or("0"));
        let v = load(&format!("/tmp/raw/{name}.raw"));
        let stats = Stats::of(&v);
        let t = Instant::now();
        let p = PreparedVolume::new(&v, &UploadLimits::of(&ctx));
        let t1 = t.elapsed();
        let tex = VolumeTexture::upload(&ctx, &p).unwrap();
        println!("{name} {:?} {:?} prepare {t1:?} upload {:?}", v.dims(), stats, t.elapsed() - t1);
        let opacity: f32 = lab.parse().unwrap();
        let labels = (opacity > 0.0).then(|| {
            let lv = load(&format!("/tmp/raw/{name}_label.raw"));
            let ids = lv.to_f32().into_iter().map(|x| x as u16).collect::<std::collections::BTreeSet<_>>();
            let t = Instant::now();
            let l = LabelTexture::upload(&ctx, &lv, &LabelTable::from_ids(ids, |_| None)).unwrap();
            println!("labels {:?}", t.elapsed());
            l
        });
        let cam = VolumeCamera::fit(v.geometry());
        for tf in TransferFunction::presets().into_iter().filter(|t| presets == "all" && (t.name.starts_with("CT") == (stats.min < -500.0)) || presets.split(',').any(|p| t.name == p)) {
            let tf = tf.fitted(stats.min, stats.max);
            let mut cam2 = cam.clone();
            cam2.turn(-0.5, 0.25);
            for (n, c) in [&cam, &cam2].into_iter().enumerate() {
                for q in [Quality::RESTING, Quality::MOVING] {
                    let s = [512, 512];
                    let mut best = f64::INFINITY;
                    let mut img = vec![];
                    for k in 0..2 {
                        let mut c = c.clone();
                        c.turn(1e-5 * k as f64, 0.0);
                        let t = Instant::now();
                        img = r.render_volume_to_rgba(&ctx, &mut st, &tex, labels.as_ref(), &c, s, &tf, q, opacity, &[]).unwrap();
                        best = best.min(t.elapsed().as_secs_f64() * 1e3);
                    }
                    println!("{name} {} {n} {q:?} {best:.0} ms", tf.name);
                    if q == Quality::RESTING { save(&format!("/tmp/pics/{name}_{}_{lab}_{n}.ppm", tf.name), &img, s); }
                }
            }
        }
        for plane in SlicePlane::ALL {
            let view = SliceView::fit(SliceFrame::new(v.geometry(), plane), v.geometry().center_mm(), [600, 600]);
            let look = SliceLook { window_width: 400.0, window_level: 40.0, label_opacity: 0.4, label_outline: false };
            let mut best = f64::INFINITY;
            let mut img = vec![];
            for _ in 0..4 {
                let t = Instant::now();
                img = r.render_slice_to_rgba(&ctx, &mut st, Some(&tex), labels.as_ref(), &view, &look, &[]).unwrap();
                best = best.min(t.elapsed().as_secs_f64() * 1e3);
            }
            println!("{name} {plane:?} {best:.1} ms");
            save(&format!("/tmp/pics/{name}_{plane:?}_{lab}.ppm"), &img, [600, 600]);
        }
    }
    println!("error {:?}", ctx.first_error());
}
