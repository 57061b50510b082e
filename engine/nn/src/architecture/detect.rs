//! From keys and shapes to a network.

use std::collections::BTreeMap;

use super::{Architecture, swin_config, voco_config};
use crate::error::NnError;
use crate::plain::{PlainConfig, PlainUnetConfig};
use crate::swin::SwinUnetrConfig;
use crate::voco::EncoderConfig;

/// No network has wider layers; a file that says so is not to be believed.
const MOST_CHANNELS: usize = 16_384;

/// Most stages, convolutions in a stage, and voxels along a kernel.
const MOST_STEPS: usize = 32;

type Shapes = BTreeMap<String, Vec<usize>>;

pub(super) fn detect(shapes: &Shapes) -> Result<Architecture, NnError> {
    let has = |prefix: &str| shapes.keys().any(|key| key.starts_with(prefix));
    let is_plain = has("encoder.stages.");
    let is_swin =
        has("swinViT.") || (1..=10).any(|n| has(&format!("encoder{n}.layer.")) || has(&format!("decoder{n}.")));
    let encoder = if is_plain && !is_swin {
        let has_decoder = has("decoder.");
        let encoder = plain(shapes, has_decoder)?;
        if has_decoder {
            return plain_unet(shapes, encoder).map(Architecture::PlainUnet);
        }
        EncoderConfig::Plain(encoder)
    } else if is_swin {
        let f = swin_width(shapes)?;
        let inputs = ["swinViT.patch_embed.proj.weight", "encoder1.layer.conv1.conv.weight"];
        let in_channels = inputs.iter().find_map(|key| shapes.get(*key)?.get(1)).copied().unwrap_or(1);
        // Only files that have a stage without its convolution are of version 1.
        let stages = || 1..=4;
        let use_v2 = stages().any(|s| has(&format!("swinViT.layers{s}c.")))
            || !stages().any(|s| has(&format!("swinViT.layers{s}.")));
        let encoder = swin_config(f, within(in_channels, MOST_CHANNELS, "input channels")?, use_v2);
        if (1..=5).any(|n| has(&format!("decoder{n}."))) || has("out.conv.") {
            let head = ["out.conv.conv.weight", "out.conv.conv.bias"];
            let classes = head.iter().find_map(|key| shapes.get(*key)?.first()).copied().unwrap_or(1);
            let classes = within(classes, MOST_CHANNELS, "classes")?;
            return Ok(Architecture::SwinUnetr(SwinUnetrConfig { encoder, classes }));
        }
        EncoderConfig::Swin(encoder)
    } else {
        let example = shapes.keys().next().map_or_else(|| "no weights".to_owned(), |key| format!("`{key}`"));
        return Err(unknown(format!("the file has {example}, and neither `swinViT` nor `encoder.stages`")));
    };
    for projector in ["student", "teacher"] {
        if has(&format!("{projector}.layer")) {
            let width = |layer: usize| {
                let keys = ["weight", "bias"].map(|part| format!("{projector}.layer{layer}.0.{part}"));
                keys.iter().find_map(|key| shapes.get(key)?.first().copied()).unwrap_or(1024)
            };
            let hidden = within(width(1), MOST_CHANNELS, "projector width")?;
            let output = within(width(3), MOST_CHANNELS, "projection length")?;
            return Ok(Architecture::Voco(voco_config(encoder, hidden, output)));
        }
    }
    Ok(Architecture::Encoder(encoder))
}

/// The feature size, from any tensor whose width is a known multiple of it.
fn swin_width(shapes: &Shapes) -> Result<usize, NnError> {
    let found = shapes.iter().find_map(|(key, shape)| {
        let (multiple, axis) = swin_multiple(key)?;
        let width = *shape.get(axis)?;
        width.is_multiple_of(multiple).then_some(width / multiple)
    });
    let f = found.ok_or_else(|| unknown("no tensor tells the feature size".to_owned()))?;
    // Stage 4 is 16 times as wide, its first linear layer 64 times.
    let f = within(f, MOST_CHANNELS / 16, "feature size")?;
    if f.is_multiple_of(3) {
        Ok(f)
    } else {
        Err(unknown(format!("{f} is no feature size: it must be a multiple of 3")))
    }
}

/// How many times the feature size is on which axis of a tensor.
fn swin_multiple(key: &str) -> Option<(usize, usize)> {
    if key.starts_with("swinViT.patch_embed.proj.") {
        return Some((1, 0));
    }
    if key == "out.conv.conv.weight" {
        return Some((1, 1));
    }
    if let Some(rest) = key.strip_prefix("swinViT.layers") {
        let stage: usize = rest.get(..1)?.parse().ok()?;
        let width = 1usize << stage.checked_sub(1).filter(|s| *s < 4)?;
        let part = &rest[1..];
        return match part {
            _ if part.contains("relative_position") => None,
            _ if part.contains("attn.qkv") => Some((3 * width, 0)),
            _ if part.contains("mlp.linear1") => Some((4 * width, 0)),
            _ if part.contains("downsample.norm") => Some((8 * width, 0)),
            _ if part.contains("downsample.reduction") => Some((2 * width, 0)),
            _ => Some((width, 0)),
        };
    }
    let (module, rest) = key.split_once('.')?;
    let multiple = match module {
        "encoder1" | "encoder2" | "decoder1" | "decoder2" => 1,
        "encoder3" | "decoder3" => 2,
        "encoder4" | "decoder4" => 4,
        "decoder5" => 8,
        "encoder10" => 16,
        _ => return None,
    };
    // A transposed convolution has its outputs on the second axis.
    Some((multiple, usize::from(rest.starts_with("transp_conv"))))
}

/// The stages of a plain encoder.
fn plain(shapes: &Shapes, has_decoder: bool) -> Result<PlainConfig, NnError> {
    let mut config = PlainConfig { in_channels: 1, features: vec![], kernels: vec![], strides: vec![], convs: vec![] };
    for stage in 0.. {
        let weight = |index: usize| shapes.get(&format!("encoder.stages.{stage}.0.convs.{index}.conv.weight"));
        let Some(first) = weight(0) else { break };
        let &[width, inputs, kd, kh, kw] = first.as_slice() else {
            return Err(unknown(format!(
                "encoder stage {stage} has kernels of {} axes, not 3",
                first.len().saturating_sub(2)
            )));
        };
        within(stage + 1, MOST_STEPS, "encoder stages")?;
        if stage == 0 {
            config.in_channels = within(inputs, MOST_CHANNELS, "input channels")?;
        }
        config.features.push(within(width, MOST_CHANNELS, "encoder features")?);
        config.kernels.push([odd(kd)?, odd(kh)?, odd(kw)?]);
        let convs = (1..=MOST_STEPS).find(|index| weight(*index).is_none());
        config.convs.push(convs.ok_or_else(|| unknown(format!("encoder stage {stage} has too many convolutions")))?);
    }
    let stages = config.features.len();
    if stages < 2 {
        return Err(unknown("the encoder has fewer than two stages".to_owned()));
    }
    // Strides show in the shapes on the way up only.
    let tiny = PlainConfig::unet_tiny();
    let has_stem = shapes.contains_key("stem.convs.0.conv.weight");
    for stage in 0..stages {
        let kernel = shapes.get(&format!("decoder.transpconvs.{}.weight", stages - 1 - stage));
        let stride = match kernel.map(Vec::as_slice) {
            _ if !has_decoder && config.features == tiny.features => [2; 3],
            _ if stage == 0 && !has_stem => [1; 3],
            Some(&[_, _, d, h, w]) if [d, h, w].iter().all(|edge| (1..=MOST_STEPS).contains(edge)) => [d, h, w],
            Some(_) => return Err(unknown(format!("the stride of encoder stage {stage} is not readable"))),
            None => [2; 3],
        };
        config.strides.push(stride);
    }
    Ok(config)
}

fn plain_unet(shapes: &Shapes, encoder: PlainConfig) -> Result<PlainUnetConfig, NnError> {
    let stem = shapes.get("stem.convs.0.conv.weight").and_then(|shape| shape.first().copied());
    let stem = stem.map(|width| within(width, MOST_CHANNELS, "stem features")).transpose()?;
    let ups = encoder.features.len() - usize::from(stem.is_none());
    let mut up_convs = Vec::with_capacity(ups);
    for stage in 0..ups {
        let missing =
            |index: &usize| !shapes.contains_key(&format!("decoder.stages.{stage}.convs.{index}.conv.weight"));
        let count = (0..=MOST_STEPS).find(missing);
        let count = count.ok_or_else(|| unknown(format!("decoder stage {stage} has too many convolutions")))?;
        // A stage that the file lacks altogether is a missing one, not an empty one.
        up_convs.push(if count == 0 { 2 } else { count });
    }
    let head = (0..ups).find_map(|stage| shapes.get(&format!("decoder.seg_layers.{stage}.bias"))?.first());
    let classes = within(head.copied().unwrap_or(1), MOST_CHANNELS, "classes")?;
    Ok(PlainUnetConfig { encoder, classes, up_convs, stem })
}

fn odd(edge: usize) -> Result<usize, NnError> {
    if edge % 2 == 1 && edge <= MOST_STEPS { Ok(edge) } else { Err(unknown(format!("a kernel is {edge} voxels long"))) }
}

fn within(value: usize, most: usize, what: &str) -> Result<usize, NnError> {
    if (1..=most).contains(&value) { Ok(value) } else { Err(unknown(format!("{what}: {value} is not in 1…{most}"))) }
}

fn unknown(reason: String) -> NnError {
    NnError::UnknownArchitecture { reason }
}
