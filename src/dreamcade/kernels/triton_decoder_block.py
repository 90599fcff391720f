"""The fused convolution's kernels; see `decoder_block_plan` for how the work is cut."""

from __future__ import annotations

import triton
import triton.language as tl

from dreamcade.kernels.decoder_block_plan import Plan

MERGED_AT_ONCE = 1024
FILLED_AT_ONCE = 64


@triton.jit
def normalise_region(
    x, scratch, mean, variance, gamma, beta,
    batch, top, left, first, begins, ends, width, channels, epsilon,
    GROUPS: tl.constexpr, GROUP_SIZE: tl.constexpr, REGION_ROWS: tl.constexpr, REGION_COLUMNS: tl.constexpr,
    CHUNK: tl.constexpr, PIXELS: tl.constexpr, SILU: tl.constexpr,
):  # fmt: skip
    """Writes a region's `CHUNK` channels from `first` on to the scratch, normalised; zeros outside the map,
    whose rows go from `begins` to before `ends`."""
    lane = tl.arange(0, CHUNK)
    channel = first + lane
    known = channel < channels
    group = batch * GROUPS + channel // GROUP_SIZE
    scale = tl.load(gamma + channel, mask=known, other=0.0).to(tl.float32)
    scale *= tl.rsqrt(tl.load(variance + group, mask=known, other=1.0) + epsilon)
    shift = tl.load(beta + channel, mask=known, other=0.0).to(tl.float32)
    shift -= tl.load(mean + group, mask=known, other=0.0) * scale
    for begin in range(0, REGION_ROWS * REGION_COLUMNS, PIXELS):
        pixel = begin + tl.arange(0, PIXELS)
        row = top + pixel // REGION_COLUMNS
        column = left + pixel % REGION_COLUMNS
        inside = (row >= begins) & (row < ends) & (column >= 0) & (column < width)
        mask = inside[:, None] & known[None, :]
        value = tl.load(x + ((row * width + column) * channels)[:, None] + channel[None, :], mask=mask, other=0.0)
        value = value.to(tl.float32) * scale[None, :] + shift[None, :]
        if SILU:
            value = value / (1.0 + tl.exp(-value))
        value = tl.where(mask, value, 0.0).to(scratch.dtype.element_ty)
        stored = (pixel < REGION_ROWS * REGION_COLUMNS)[:, None]
        tl.store(scratch + (pixel * CHUNK)[:, None] + lane[None, :], value, mask=stored)


@triton.jit
def measure_tile(
    value, valid, partials, plane, place, first, lanes, tiles,
    BLOCK_OUT: tl.constexpr, LANE: tl.constexpr,
):  # fmt: skip
    """Writes count, mean and squared deviations of a tile's valid pixels, each `LANE` channels together."""
    valid = valid[:, None]
    count = tl.sum(valid.to(tl.float32), axis=0)
    mean = tl.sum(tl.where(valid, value, 0.0), axis=0) / count
    off = tl.where(valid, value - mean[None, :], 0.0)
    deviations = tl.sum(off * off, axis=0)
    means = tl.reshape(mean, (BLOCK_OUT // LANE, LANE))
    together = tl.sum(means, axis=1) / LANE
    between = means - together[:, None]
    deviations = tl.sum(tl.reshape(deviations, (BLOCK_OUT // LANE, LANE)), axis=1)
    deviations += tl.sum(between * between, axis=1) * tl.sum(count)
    lane = first // LANE + tl.arange(0, BLOCK_OUT // LANE)
    at = partials + place + lane * tiles
    counts = tl.zeros((BLOCK_OUT // LANE,), tl.float32) + tl.sum(count) * LANE
    tl.store(at, counts, mask=lane < lanes)
    tl.store(at + plane, together, mask=lane < lanes)
    tl.store(at + 2 * plane, deviations, mask=lane < lanes)


@triton.jit
def conv_kernel(
    x, weight, bias, residual, y, scratch, partials, mean, variance, gamma, beta,
    height, width, inputs, outputs, down, across, items, programs, batches, lanes, epsilon,
    GROUPS: tl.constexpr, GROUP_SIZE: tl.constexpr,
    PHASES: tl.constexpr, WIDE: tl.constexpr, PADDED_IN: tl.constexpr, PADDED_OUT: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK_OUT: tl.constexpr, BLOCK_IN: tl.constexpr, CHUNK: tl.constexpr,
    FILL: tl.constexpr, LANE: tl.constexpr,
    ABOVE: tl.constexpr, BELOW: tl.constexpr,
    NORM: tl.constexpr, SILU: tl.constexpr, RESIDUAL: tl.constexpr, MEASURE: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """One program's tiles. Neighbouring programs share pixels (output blocks vary fastest), then weights.

    `height` rows are the map's own; `ABOVE` and `BELOW` of them stand neighbours' rows, in `x`, `residual` and `y`.
    """
    UP: tl.constexpr = 2 if PHASES == 4 else 1
    REGION_COLUMNS: tl.constexpr = COLUMNS + WIDE - 1
    REGION_ROWS: tl.constexpr = ROWS + WIDE - 1
    STEPS: tl.constexpr = CHUNK // BLOCK_IN
    out_blocks = tl.cdiv(outputs, BLOCK_OUT)
    pixel = tl.arange(0, ROWS * COLUMNS)
    tile_row = pixel // COLUMNS
    tile_column = pixel % COLUMNS
    k = tl.arange(0, BLOCK_IN)
    lane = tl.arange(0, BLOCK_OUT)
    own = scratch + tl.program_id(0).to(tl.int64) * (REGION_ROWS * REGION_COLUMNS * CHUNK)
    own_pixels = own + ((tile_row * REGION_COLUMNS + tile_column) * CHUNK)[:, None] + k[None, :]
    for item in range(tl.program_id(0), items, programs):
        first = (item % out_blocks) * BLOCK_OUT
        rest = item // out_blocks
        phase = rest % PHASES
        tile = rest // PHASES
        batch = tile // (down * across)
        tile = tile % (down * across)
        row = (tile // across) * ROWS + tile_row
        column = (tile % across) * COLUMNS + tile_column
        # The first tap of 3 is one pixel up and left; of a phase's 2 it is that for the first phase, else the pixel.
        up = 0
        left = 0
        if WIDE == 3:
            up = 1
            left = 1
        if WIDE == 2:
            up = 1 - phase // 2
            left = 1 - phase % 2
        source = x + (batch.to(tl.int64) * (ABOVE + height + BELOW) + ABOVE) * width * inputs
        total = tl.zeros((ROWS * COLUMNS, BLOCK_OUT), tl.float32)
        matrix = weight + phase * (WIDE * WIDE * PADDED_IN * PADDED_OUT) + k[:, None] * PADDED_OUT
        matrix += first + lane[None, :]
        for begin in range(0, PADDED_IN, CHUNK):
            if NORM:
                tl.debug_barrier()  # the last products have read the scratch
                normalise_region(
                    source, own, mean, variance, gamma, beta,
                    batch, (tile // across) * ROWS - up, (tile % across) * COLUMNS - left, begin,
                    -ABOVE, height + BELOW, width, inputs, epsilon,
                    GROUPS, GROUP_SIZE, REGION_ROWS, REGION_COLUMNS, CHUNK, FILL, SILU,
                )  # fmt: skip
                tl.debug_barrier()  # the whole program has written it
            for step in range(0, WIDE * WIDE * STEPS):
                tap = step // STEPS
                channel = (step % STEPS) * BLOCK_IN
                if NORM:
                    a = tl.load(own_pixels + ((tap // WIDE) * REGION_COLUMNS + tap % WIDE) * CHUNK + channel)
                else:
                    tap_row = row + (tap // WIDE - up)
                    tap_column = column + (tap % WIDE - left)
                    inside = (tap_row >= -ABOVE) & (tap_row < height + BELOW)
                    inside = inside & (tap_column >= 0) & (tap_column < width)
                    at = source + ((tap_row * width + tap_column) * inputs)[:, None] + (channel + k)[None, :]
                    a = tl.load(at, mask=inside[:, None] & (channel + k < inputs)[None, :], other=0.0)
                b = tl.load(matrix + (tap * PADDED_IN + begin + channel) * PADDED_OUT)
                if EXACT:
                    total = tl.dot(a.to(tl.float32), b.to(tl.float32), total, input_precision="ieee")
                else:
                    total = tl.dot(a, b, total)
        known = first + lane < outputs
        valid = (row < height) & (column < width)
        total += tl.load(bias + first + lane, mask=known, other=0.0).to(tl.float32)[None, :]
        out_row = row * UP
        out_column = column * UP
        if UP == 2:
            out_row += phase // 2
            out_column += phase % 2
        start = (batch.to(tl.int64) * (ABOVE + height * UP + BELOW) + ABOVE) * (width * UP) * outputs
        place = ((out_row * (width * UP) + out_column) * outputs)[:, None] + (first + lane)[None, :]
        mask = valid[:, None] & known[None, :]
        if RESIDUAL:
            total += tl.load(residual + start + place, mask=mask, other=0.0).to(tl.float32)
        made = total.to(y.dtype.element_ty)
        tl.store(y + start + place, made, mask=mask)
        if MEASURE:
            tiles = down * across * PHASES
            measure_tile(
                made.to(tl.float32), valid, partials, batches * lanes * tiles,
                batch * lanes * tiles + tile * PHASES + phase, first, lanes, tiles, BLOCK_OUT, LANE,
            )  # fmt: skip


@triton.jit
def merge_kernel(partials, mean, variance, size, plane, BLOCK: tl.constexpr):
    """One group of one map: its `size` partials are neighbours. Chan's formula, all at once, in a fixed order."""
    group = tl.program_id(0)
    at = partials + group * size + tl.arange(0, BLOCK)
    counts = tl.zeros((BLOCK,), tl.float32)
    sums = tl.zeros((BLOCK,), tl.float32)
    for begin in range(0, size, BLOCK):
        mask = begin + tl.arange(0, BLOCK) < size
        count = tl.load(at + begin, mask=mask, other=0.0)
        counts += count
        sums += count * tl.load(at + plane + begin, mask=mask, other=0.0)
    count = tl.sum(counts)
    middle = tl.sum(sums) / count
    deviations = tl.zeros((BLOCK,), tl.float32)
    for begin in range(0, size, BLOCK):
        mask = begin + tl.arange(0, BLOCK) < size
        off = tl.load(at + plane + begin, mask=mask, other=0.0) - middle
        deviations += tl.load(at + 2 * plane + begin, mask=mask, other=0.0)
        deviations += tl.load(at + begin, mask=mask, other=0.0) * off * off
    tl.store(mean + group, middle)
    tl.store(variance + group, tl.sum(deviations) / count)


def launch(plan: Plan) -> None:
    """Fills the plan's `y` and `statistics`. No host synchronisation, so it can be captured in a CUDA graph."""
    batch, inputs, _, width = plan.x.shape
    padded_in, padded_out = plan.conv.blocks.shape[2:]
    tiling, norm = plan.tiling, plan.norm
    outputs = plan.y.shape[1]
    down, across = plan.tiles
    items = batch * down * across * plan.phases * triton.cdiv(outputs, tiling.block_out)
    nothing = plan.y  # stands for a tensor that the kernel does not read
    conv_kernel[(plan.programs,)](
        plan.x, plan.conv.blocks, plan.conv.bias, nothing if plan.residual is None else plan.residual, plan.y,
        nothing if plan.scratch is None else plan.scratch, nothing if plan.partials is None else plan.partials,
        *(4 * (nothing,) if norm is None else (norm.statistics.mean, norm.statistics.variance, norm.weight, norm.bias)),
        plan.height, width, inputs, outputs, down, across, items, plan.programs, batch, outputs // plan.lane,
        0.0 if norm is None else norm.epsilon,
        GROUPS=1 if norm is None else norm.statistics.groups,
        GROUP_SIZE=1 if norm is None else inputs // norm.statistics.groups,
        PHASES=plan.phases, WIDE=plan.taps_wide, PADDED_IN=padded_in, PADDED_OUT=padded_out,
        ROWS=tiling.rows, COLUMNS=tiling.columns, BLOCK_OUT=tiling.block_out, BLOCK_IN=tiling.block_in,
        CHUNK=tiling.chunk, FILL=FILLED_AT_ONCE, LANE=plan.lane,
        ABOVE=plan.borders.above, BELOW=plan.borders.below,
        NORM=norm is not None, SILU=norm is not None and norm.silu, RESIDUAL=plan.residual is not None,
        MEASURE=plan.partials is not None,
        # The interpreter multiplies bfloat16 only as float32, which gives the same products.
        EXACT=plan.x.element_size() == 4 or not plan.x.is_cuda,
        num_warps=tiling.warps, num_stages=tiling.stages,
    )  # fmt: skip
    if plan.partials is not None and plan.statistics is not None:
        _, _, lanes, tiles = plan.partials.shape
        groups = plan.statistics.groups
        merge_kernel[(batch * groups,)](
            plan.partials, plan.statistics.mean, plan.statistics.variance,
            lanes // groups * tiles, batch * lanes * tiles, BLOCK=MERGED_AT_ONCE,
        )  # fmt: skip
