"""Convolutions that learn by the quickest way that torch has for them on a CPU; elsewhere they are torch's own."""

from __future__ import annotations

from torch import Tensor, nn


class DepthwiseConv(nn.Conv1d):
    """An odd number of frames, `dilation` apart, of each channel by itself; as many frames come out as went in.

    Torch's one-dimensional convolutions of one channel each take the long way round when they learn, and dilated ones
    of two dimensions do, too; the plain one of two dimensions, channels last, takes a third of the time.
    """

    def __init__(self, channels: int, kernel_size: int, dilation: int = 1) -> None:
        padding = dilation * (kernel_size // 2)
        super().__init__(channels, channels, kernel_size, dilation=dilation, padding=padding, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, T, C)."""
        if not self.training or x.device.type != "cpu":
            return super().forward(x.transpose(1, 2)).transpose(1, 2)
        n, t, c = x.shape
        step = self.dilation[0]
        # Frames that are `step` apart as neighbours: every `step`-th one is a sequence of its own.
        x = nn.functional.pad(x, (0, 0, 0, -t % step))
        apart = x.view(n, -1, step, c).transpose(1, 2).reshape(n * step, -1, c)
        columns = apart.transpose(1, 2).unsqueeze(-1)
        padding = (self.kernel_size[0] // 2, 0)
        y = nn.functional.conv2d(columns, self.weight.unsqueeze(-1), self.bias, padding=padding, groups=c)
        y = y.squeeze(-1).transpose(1, 2).reshape(n, step, -1, c)
        return y.transpose(1, 2).reshape(n, -1, c)[:, :t]


class OneMapConv(nn.Conv2d):
    """Windows of a single map, such as a spectrogram.

    Torch writes its maps one after the other, and all that follows turns them, there and back; a product with the
    windows as rows writes them channels last.
    """

    def __init__(self, channels: int, kernel_size: int, stride: tuple[int, int]) -> None:
        super().__init__(1, channels, kernel_size, stride=stride, padding=kernel_size // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, F) -> (N, C, T', F')."""
        if not self.training or x.device.type != "cpu":
            return super().forward(x.unsqueeze(1))
        around, size = self.kernel_size[0] // 2, self.kernel_size[0]
        padded = nn.functional.pad(x, (around, around, around, around))
        windows = padded.unfold(1, size, self.stride[0]).unfold(2, size, self.stride[1]).flatten(3)
        return nn.functional.linear(windows, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)
