//! Files of weights through the engine: real checkpoints, forward passes, conversion, and damaged files.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use voco_engine::{
    ConvertReport, Expectation, ModelRun, PatchMerging, WindowSettings, convert_model, run_model, show_model,
};
use voco_engine_api::{DeviceChoice, EngineFailure};
use voco_tests::fixtures::{json, shared};

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn tensors(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let entry = |(key, view): (&str, TensorView<'_>)| {
        (key.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
    };
    file.iter().map(entry).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|raw| f32::from_le_bytes(raw.try_into().unwrap())).collect()
}

fn write(path: &Path, tensors: &Tensors) {
    let views = tensors
        .iter()
        .map(|(key, (dtype, shape, bytes))| (key.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn strings(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// ‖a − b‖ / ‖b‖.
fn rel_l2(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "lengths");
    let norm = |it: &mut dyn Iterator<Item = f64>| it.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(a - b))) / norm(&mut b.iter().map(|b| f64::from(*b)))
}

/// Every second voxel of `[1, C, D, H, W]`, or every `every`th.
fn strided(values: &[f32], shape: &[usize], every: usize) -> Vec<f32> {
    let (c, size) = (shape[1], &shape[2..]);
    let mut kept = Vec::new();
    for class in 0..c {
        for i in (0..size[0]).step_by(every) {
            for j in (0..size[1]).step_by(every) {
                let row = ((class * size[0] + i) * size[1] + j) * size[2];
                kept.extend(values[row..row + size[2]].iter().step_by(every));
            }
        }
    }
    kept
}

fn convert(input: &Path, output: &Path) -> Result<ConvertReport, EngineFailure> {
    convert_model(input, output, Expectation::default())
}

fn forward(checkpoint: PathBuf, input: PathBuf, output: PathBuf) -> ModelRun {
    ModelRun {
        checkpoint,
        input,
        output,
        all_outputs: false,
        patch_merging: PatchMerging::Legacy,
        window: None,
        device: DeviceChoice::Cpu,
    }
}

#[test]
fn published_styles_of_checkpoints_load_as_expected() {
    let Some(list) = shared("fixtures/swin_unetr/checkpoints.json") else { return };
    let folder = list.parent().unwrap().to_owned();
    let reference = tensors(&folder.join("model.safetensors"));
    let scratch = tempfile::tempdir().unwrap();
    // The network of the fixture: one channel in, five classes.
    let network = Expectation { in_channels: Some(1), classes: Some(5) };
    for (name, want) in json(&list).as_object().unwrap() {
        let info = show_model(&folder.join(name), network).unwrap();
        assert_eq!((info.feature_size, info.in_channels), (12, 1), "{name}");
        let buffers = |key: &String| key.ends_with("relative_position_index");
        let mut loaded = strings(&want["expected_loaded"]);
        loaded.retain(|key| !buffers(key));
        let mut unused = strings(&want["expected_unused_after_renaming"]);
        let matched: BTreeSet<String> = info.matched.iter().cloned().collect();
        let unexpected: BTreeSet<String> = info.unexpected.iter().cloned().collect();
        if info.architecture == "VoCo head" {
            // The file holds projectors, so they belong to the network that it suggests.
            loaded.append(&mut unused);
        }
        assert_eq!(matched, loaded, "{name}: matched");
        assert_eq!(unexpected, unused, "{name}: unexpected");
        let mismatch: BTreeSet<String> = info.shape_mismatch.iter().cloned().collect();
        assert_eq!(mismatch, strings(&want["expected_shape_mismatch"]), "{name}: mismatch");

        let converted = scratch.path().join(format!("{name}.safetensors"));
        convert(&folder.join(name), &converted).unwrap();
        let written = tensors(&converted);
        let mut compared = 0;
        for key in loaded.iter().filter(|key| reference.contains_key(*key)) {
            assert_eq!(written[key], reference[key], "{name}: {key}");
            compared += 1;
        }
        assert!(compared > 3, "{name}: values compared");
    }
}

#[test]
fn nnunet_checkpoints_load_and_come_back_complete() {
    let Some(path) = shared("fixtures/plain_conv_unet/checkpoint_final.pth") else { return };
    let info = show_model(&path, Expectation::default()).unwrap();
    assert_eq!((info.architecture.as_str(), info.feature_size, info.classes), ("PlainConvUNet", 4, Some(5)));
    assert_eq!((info.matched.len(), info.missing.len(), info.unexpected.len()), (108, 0, 0));
    let folder = path.parent().unwrap();
    let keys = json(&folder.join("checkpoint_final.json"));
    let reference = tensors(&folder.join("model.safetensors"));
    let scratch = tempfile::tempdir().unwrap();
    let converted = scratch.path().join("unet.safetensors");
    assert_eq!(convert(&path, &converted).unwrap().tensors, 292);
    let written = tensors(&converted);
    for (key, about) in keys["keys"].as_object().unwrap() {
        let canonical = about["alias_of"].as_str().unwrap_or(key);
        assert_eq!(written[key].2, reference[canonical].2, "{key}");
    }

    let data = tensors(&folder.join("forward.safetensors"));
    let result = scratch.path().join("y.safetensors");
    let run = forward(converted, folder.join("forward.safetensors"), result.clone());
    let report = run_model(&ModelRun { all_outputs: true, ..run }).unwrap();
    assert_eq!(report.outputs.len(), 8, "output, six stages, embedding");
    let results = tensors(&result);
    let (_, shape, bytes) = &results["output"];
    let error = rel_l2(&strided(&floats(bytes), shape, 2), &floats(&data["logits_s2"].2));
    assert!(error < 1e-4, "logits: {error}");
    let error = rel_l2(&floats(&results["hidden5"].2), &floats(&data["skip5"].2));
    assert!(error < 1e-4, "bottleneck: {error}");
}

#[test]
fn swin_runs_convert_and_run_the_same() {
    let Some(model) = shared("fixtures/swin_unetr/model.safetensors") else { return };
    let folder = model.parent().unwrap();
    let info = show_model(&model, Expectation::default()).unwrap();
    assert_eq!((info.architecture.as_str(), info.version, info.classes), ("SwinUNETR", Some(2), Some(5)));
    assert_eq!((info.matched.len(), info.missing.len(), info.unexpected.len()), (159, 0, 0));
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    // To burn's file and back: all weights and the eight index buffers.
    assert_eq!(convert(&model, &at("swin.bpk")).unwrap().tensors, 159);
    assert_eq!(convert(&at("swin.bpk"), &at("swin.safetensors")).unwrap().tensors, 167);
    let (written, reference) = (tensors(&at("swin.safetensors")), tensors(&model));
    for (key, tensor) in &written {
        match reference.get(key) {
            Some(want) => assert_eq!(tensor, want, "{key}"),
            None => assert_eq!((tensor.0, tensor.1.as_slice()), (Dtype::I64, &[343, 343][..]), "{key}"),
        }
    }
    // Exactly the keys of a state dict of MONAI, so that strict loading finds neither more nor less.
    let list = fs::read_to_string(folder.join("keys_feature48.txt")).unwrap();
    let want: BTreeSet<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(written.keys().map(String::as_str).collect::<BTreeSet<_>>(), want);
    let info = show_model(&at("swin.safetensors"), Expectation::default()).unwrap();
    assert!(info.unexpected.is_empty(), "index buffers are known: {:?}", info.unexpected);

    let input = folder.join("forward_1.safetensors");
    let data = tensors(&input);
    for (merging, tag, suffix, every) in
        [(PatchMerging::Legacy, "legacy", "logits_s2", 2), (PatchMerging::Fixed, "fixed", "logits_s4", 4)]
    {
        let run = forward(at("swin.bpk"), input.clone(), at("y.safetensors"));
        run_model(&ModelRun { all_outputs: true, patch_merging: merging, ..run }).unwrap();
        let results = tensors(&at("y.safetensors"));
        let (_, shape, bytes) = &results["output"];
        let error = rel_l2(&strided(&floats(bytes), shape, every), &floats(&data[&format!("{tag}.{suffix}")].2));
        assert!(error < 1e-4, "{tag} logits: {error}");
        for name in ["hidden4", "embedding"] {
            let error = rel_l2(&floats(&results[name].2), &floats(&data[&format!("{tag}.{name}")].2));
            assert!(error < 1e-4, "{tag} {name}: {error}");
        }
    }
}

/// With N equal channels the first layers give what they gave with one, so everything after them does too.
#[test]
fn another_number_of_channels_keeps_what_the_network_computes() {
    let Some(model) = shared("fixtures/swin_unetr/model.safetensors") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let fit = Expectation { in_channels: Some(3), classes: None };
    let report = convert_model(&model, &at("three.safetensors"), fit).unwrap();
    let first =
        ["encoder1.layer.conv1.conv.weight", "encoder1.layer.conv3.conv.weight", "swinViT.patch_embed.proj.weight"];
    assert_eq!((report.adapted, report.drawn, report.missing), (first.map(str::to_owned).to_vec(), vec![], vec![]));
    assert_eq!((report.tensors, report.left_out), (167, vec![]), "all that PyTorch asks for");
    assert_eq!(show_model(&at("three.safetensors"), Expectation::default()).unwrap().in_channels, 3);

    let data = tensors(&model.with_file_name("forward_1.safetensors"));
    let (dtype, shape, bytes) = data["input"].clone();
    let shape = [&[1, 3], &shape[2..]].concat();
    write(&at("x.safetensors"), &[("input".to_owned(), (dtype, shape, bytes.repeat(3)))].into());
    run_model(&forward(at("three.safetensors"), at("x.safetensors"), at("y.safetensors"))).unwrap();
    let (_, shape, bytes) = &tensors(&at("y.safetensors"))["output"];
    let error = rel_l2(&strided(&floats(bytes), shape, 2), &floats(&data["legacy.logits_s2"].2));
    assert!(error < 1e-4, "logits: {error}");
}

#[test]
fn another_number_of_classes_draws_the_last_layer_and_keeps_the_rest() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let fit = Expectation { in_channels: Some(2), classes: Some(7) };
    for (file, count, adapted, drawn) in
        [("swin_unetr/model.safetensors", 167, 3, 2), ("plain_conv_unet/checkpoint_final.pth", 292, 1, 10)]
    {
        let Some(model) = shared(&format!("fixtures/{file}")) else { return };
        convert(&model, &at("same.safetensors")).unwrap();
        let report = convert_model(&model, &at("other.safetensors"), fit).unwrap();
        assert_eq!((report.tensors, report.adapted.len(), report.drawn.len()), (count, adapted, drawn), "{file}");
        let info = show_model(&at("other.safetensors"), Expectation::default()).unwrap();
        assert_eq!((info.in_channels, info.classes), (2, Some(7)), "{file}");
        assert!(info.missing.is_empty() && info.unexpected.is_empty() && info.shape_mismatch.is_empty(), "{file}");

        let (before, after) = (tensors(&at("same.safetensors")), tensors(&at("other.safetensors")));
        let keys = |tensors: &Tensors| tensors.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&before), keys(&after), "{file}");
        let differ = before.iter().filter(|(key, tensor)| after[*key] != **tensor).map(|(key, _)| key.as_str());
        let is_changed = |key: &str| {
            let canonical = key.replace("decoder.encoder.", "encoder.").replace("all_modules.0", "conv");
            report.adapted.contains(&canonical) || report.drawn.contains(&canonical)
        };
        for key in differ {
            assert!(is_changed(key), "{file}: {key}");
        }
        for key in &report.drawn {
            let (_, shape, bytes) = &after[key];
            assert_eq!(shape[0], 7, "{file}: {key}");
            assert!(floats(bytes).iter().all(|v| v.abs() <= 1.0) && floats(bytes).iter().any(|v| *v != 0.0), "{key}");
        }
        let once_more = at("once_more.safetensors");
        convert_model(&model, &once_more, fit).unwrap();
        assert!(tensors(&once_more) == after, "{file}: the same is drawn each time");
    }
    let Some(whole) = shared("fixtures/swin_unetr/model.safetensors") else { return };
    let is_encoder = |key: &str| key.starts_with("swinViT.") || key.starts_with("encoder");
    write(&at("encoder.safetensors"), &tensors(&whole).into_iter().filter(|(key, _)| is_encoder(key)).collect());
    sentence(&convert_model(&at("encoder.safetensors"), &at("e.safetensors"), fit).unwrap_err(), "encoder.safetensors");
    assert!(!at("e.safetensors").exists(), "nothing written");
}

#[test]
fn sliding_windows_equal_monai() {
    let Some(volume) = shared("fixtures/inference/swin.safetensors") else { return };
    let Some(model) = shared("fixtures/swin_unetr/model.safetensors") else { return };
    let data = tensors(&volume);
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    write(&at("x.safetensors"), &[("input".to_owned(), data["volume"].clone())].into());
    for (name, gaussian) in [("o50_constant", false), ("o50_gaussian", true)] {
        let window = Some(WindowSettings { roi: [64, 64, 32], overlap: 0.5, gaussian });
        let run = forward(model.clone(), at("x.safetensors"), at("y.safetensors"));
        run_model(&ModelRun { window, ..run }).unwrap();
        let results = tensors(&at("y.safetensors"));
        let (_, shape, bytes) = &results["output"];
        assert_eq!(shape, &[1, 5, 50, 61, 43]);
        let error = rel_l2(&strided(&floats(bytes), shape, 3), &floats(&data[&format!("{name}.logits_s3")].2));
        assert!(error < 1e-4, "{name}: {error}");
    }
}

/// One sentence that begins with the file's name.
fn sentence(error: &EngineFailure, name: &str) {
    let text = error.to_string();
    assert!(text.starts_with(&format!("{name}: ")) && !text.contains('\n') && text.len() < 500, "{text}");
}

#[test]
fn wrong_inputs_are_refused() {
    let Some(model) = shared("fixtures/swin_unetr/model.safetensors") else { return };
    let folder = model.parent().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let input = |name: &str, shape: Vec<usize>| {
        let bytes = vec![0u8; 4 * shape.iter().product::<usize>()];
        write(&at("x.safetensors"), &[(name.to_owned(), (Dtype::F32, shape, bytes))].into());
        run_model(&forward(model.clone(), at("x.safetensors"), at("y.safetensors"))).unwrap_err()
    };
    for error in [
        input("volume", vec![1, 1, 64, 32, 32]),
        input("input", vec![64, 32, 32]),
        input("input", vec![1, 2, 64, 32, 32]),
        input("input", vec![1, 1, 64, 32, 31]),
        input("input", vec![1, 1, 32, 32, 32]),
        input("input", vec![1, 1, 0, 32, 32]),
    ] {
        sentence(&error, "x.safetensors");
    }
    assert!(!at("y.safetensors").exists(), "nothing written");
    let partial = forward(folder.join("ckpt_plain.pt"), at("x.safetensors"), at("y.safetensors"));
    sentence(&run_model(&partial).unwrap_err(), "ckpt_plain.pt");
    sentence(&convert(&model, &at("model.pt")).unwrap_err(), "model.pt");
    sentence(&convert(&at("absent.pt"), &at("a.bpk")).unwrap_err(), "absent.pt");
    sentence(&show_model(scratch.path(), Expectation::default()).unwrap_err(), &name_of(scratch.path()));
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Reads the whole of a file, weights included, and says whether it worked.
fn read_all(path: &Path) -> bool {
    let out = path.with_extension("out.safetensors");
    match convert(path, &out) {
        Ok(_) => true,
        Err(error) => {
            sentence(&error, &name_of(path));
            false
        }
    }
}

#[test]
fn damaged_files_get_a_sentence() {
    let Some(list) = shared("fixtures/swin_unetr/checkpoints.json") else { return };
    let folder = list.parent().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("damaged");
    let bpk = scratch.path().join("whole.bpk");
    convert(&folder.join("ckpt_legacy_format.pt"), &bpk).unwrap();
    let safe = scratch.path().join("whole.safetensors");
    convert(&folder.join("ckpt_legacy_format.pt"), &safe).unwrap();
    for whole in [folder.join("ckpt_legacy_format.pt"), folder.join("ckpt_swin_vit_key.pt"), bpk, safe] {
        let bytes = fs::read(&whole).unwrap();
        fs::write(&path, &bytes).unwrap();
        assert!(read_all(&path), "{}: whole", whole.display());
        for part in 0..40 {
            fs::write(&path, &bytes[..bytes.len() * part / 40]).unwrap();
            assert!(!read_all(&path), "{}: {part}/40 of it", whole.display());
        }
        // Single bytes, most of them where the structure is.
        let places = (0..300.min(bytes.len())).chain((300..bytes.len()).step_by(bytes.len() / 100 + 1));
        for place in places {
            let mut broken = bytes.clone();
            broken[place] ^= 0xff;
            fs::write(&path, &broken).unwrap();
            read_all(&path);
        }
    }
}

#[test]
fn hostile_files_get_a_sentence() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("hostile");
    let header = |json: &str| {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.bytes());
        bytes
    };
    let huge =
        r#"{"swinViT.patch_embed.proj.weight":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#;
    let beyond = r#"{"swinViT.patch_embed.proj.bias":{"dtype":"F32","shape":[48],"data_offsets":[0,192]}}"#;
    let backwards = r#"{"swinViT.patch_embed.proj.bias":{"dtype":"F32","shape":[48],"data_offsets":[192,0]}}"#;
    let mut claims = u64::MAX.to_le_bytes().to_vec();
    claims.extend(b"{}");
    // A pickle that calls os.system: opcode c names the global, R calls it.
    let pickle = b"\x80\x02cposix\nsystem\nX\x0b\x00\x00\x00touch pwned\x85R.".to_vec();
    // A tuple that doubles with every line.
    let mut bomb = b"\x80\x02K\x01".to_vec();
    for _ in 0..200 {
        bomb.extend(b"2\x86");
    }
    bomb.push(b'.');
    let long = b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec();
    let deep = [b"\x80\x02".to_vec(), vec![b']'; 1 << 20], vec![b'a'; 1 << 20], b".".to_vec()].concat();
    for bytes in [
        header(huge),
        header(beyond),
        header(backwards),
        header("{}"),
        header("{"),
        claims,
        pickle,
        bomb,
        long,
        deep,
        Vec::new(),
        b"PK\x03\x04".to_vec(),
        b"NRUB\x01\x00\xff\xff\xff\xff".to_vec(),
        b"plain text, no weights".to_vec(),
        vec![0; 4096],
    ] {
        fs::write(&path, &bytes).unwrap();
        let error = show_model(&path, Expectation::default()).unwrap_err();
        sentence(&error, "hostile");
        assert!(!read_all(&path), "converted {:?}", &bytes[..bytes.len().min(20)]);
    }
    assert!(!Path::new("pwned").exists() && !scratch.path().join("pwned").exists(), "nothing was executed");
}
