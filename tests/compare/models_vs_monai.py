"""Compares `voco model` with MONAI and nnU-Net on random networks.

Needs torch, monai 1.3.0 (its patch merging is the legacy one), dynamic-network-architectures and safetensors:

    python tests/compare/models_vs_monai.py path/to/voco

For each network: a PyTorch checkpoint is shown (nothing missing, nothing left over, the same number of parameters),
converted, loaded back with strict=True, and run; the largest relative L2 difference of all outputs is printed.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from monai.networks.nets import SwinUNETR
from safetensors.torch import load_file, save_file

LIMIT = 1e-4


def voco(*arguments):
    result = subprocess.run([sys.argv[1], "model", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def perturb(network):
    """Moves all that an initialisation leaves at 0 or 1."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            spread = 0.3 if "bias_table" in name else 0.1 if parameter.ndim == 1 else 0.1 * parameter.std()
            parameter.add_(torch.randn_like(parameter) * spread)


def compare(label, network, checkpoint, inputs, hidden):
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: Path(folder) / name
        torch.save(checkpoint, at("a.pt"))
        save_file({"input": inputs}, at("x.safetensors"))
        info = json.loads(voco("show", at("a.pt"), "--json"))
        count = sum(parameter.numel() for parameter in network.parameters())
        assert info["parameters"] == count, (info["parameters"], count)
        assert not (info["missing"] or info["unexpected"] or info["shape_mismatch"]), info
        with torch.no_grad():
            want = {"output": network(inputs), **hidden(network, inputs)}
        voco("convert", at("a.pt"), at("b.safetensors"))
        network.load_state_dict(load_file(at("b.safetensors")), strict=True)
        with torch.no_grad():
            assert torch.equal(network(inputs), want["output"])
        voco("run", at("b.safetensors"), "--input", at("x.safetensors"), "--output", at("y.safetensors"),
             "--all-outputs", "--device", "cpu")
        got = load_file(at("y.safetensors"))
    worst = max(float((got[key] - value).norm() / value.norm()) for key, value in want.items())
    print(f"{label}: {info['architecture']}, {count} parameters, worst {worst:.1e}", flush=True)
    assert worst < LIMIT


def swin(feature_size, use_v2, channels, classes, size):
    network = SwinUNETR(img_size=size, in_channels=channels, out_channels=classes, feature_size=feature_size, use_v2=use_v2)
    perturb(network.eval())
    checkpoint = {"epoch": 3, "state_dict": {"module." + key: value for key, value in network.state_dict().items()}}
    hidden = lambda network, x: {f"hidden{i}": h for i, h in enumerate(network.swinViT(x, True))}
    compare(f"F={feature_size} {size}", network, checkpoint, torch.randn(1, channels, *size), hidden)


def plain(channels, classes, features, kernels, strides, convs, up_convs, size):
    norm = {"eps": 1e-5, "affine": True}
    network = PlainConvUNet(
        input_channels=channels, n_stages=len(features), features_per_stage=features, conv_op=torch.nn.Conv3d,
        kernel_sizes=kernels, strides=strides, n_conv_per_stage=convs, num_classes=classes,
        n_conv_per_stage_decoder=up_convs, conv_bias=True, norm_op=torch.nn.InstanceNorm3d, norm_op_kwargs=norm,
        nonlin=torch.nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=False)
    perturb(network.eval())
    checkpoint = {"network_weights": network.state_dict(), "trainer_name": "nnUNetTrainer"}
    compare(f"{features} {size}", network, checkpoint, torch.randn(1, channels, *size), lambda *_: {})


if __name__ == "__main__":
    torch.manual_seed(1)
    swin(12, False, 1, 3, (64, 64, 64))
    swin(24, True, 2, 7, (64, 32, 96))
    swin(36, True, 4, 2, (32, 64, 32))
    swin(24, False, 3, 14, (96, 32, 64))
    flat = [[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]]
    plain(2, 3, [4, 6, 8, 10], flat, [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2]], [1, 2, 3, 2], [2, 1, 3], (8, 16, 32))
    plain(1, 21, [8, 16, 24, 24], [[3] * 3] * 4, [[1] * 3, [2] * 3, [2] * 3, [1, 2, 2]], [2] * 4, [2] * 3, (8, 32, 32))
