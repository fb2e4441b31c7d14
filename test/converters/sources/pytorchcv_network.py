"""Writes state dicts of pytorchcv's 1-bit and 32-bit wide ResNets with random weights and moments, images, and its logits
in float64, whose own rounding does not show.

PYTHONPATH=FOLDER_OF_PYTORCHCV python pytorchcv_network.py FOLDER DEPTH WIDTH CLASSES
"""

import sys
from pathlib import Path

import torch
from pytorchcv.models.wrn1bit_cifar import get_wrn1bit_cifar

IMAGES = 3
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)  # of its data sets, for pixels 0..1


def main(folder, depth, width, classes):
    torch.manual_seed(1)
    images = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8)
    images.numpy().tofile(folder / "images.u8")
    mean, std = (torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in (MEAN, STD))
    for name, binarized in ("binary", True), ("float", False):
        net = get_wrn1bit_cifar(num_classes=classes, blocks=depth, width_factor=width, binarized=binarized).eval()
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.5)
                module.running_var.uniform_(0.5, 1.5)
                if module.affine:
                    module.weight.normal_(1, 0.3)
                    module.bias.normal_()
        torch.save(net.state_dict(), folder / f"{name}.pth")
        net.double()((images.double() / 255 - mean) / std).numpy().tofile(folder / f"{name}.f64")


with torch.no_grad():
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
