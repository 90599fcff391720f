"""Which devices do what: every layout that fits, judged by the cost model, best first. Knows no PyTorch."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from dreamcade.cluster.assessment import Assessment, Placed, Question, assess, beyond, plan_of, shortage
from dreamcade.cluster.calibration import Calibration
from dreamcade.cluster.costs import drawing_cost, dynamics_cost
from dreamcade.cluster.devices import DeviceGroup, devices_text
from dreamcade.cluster.layout import Decoding, Layout
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.rates import Rates, rates_of
from dreamcade.cluster.workload import Workload
from dreamcade.core.errors import BadInputError

MOST_PER_STAGE = 32
"""Devices of one stage of one pipeline that are considered; more players get more pipelines."""
MOST_MIXED = 3
"""Kinds that one pipeline is spread over at most: all orders of seven would be 24 times as many rows of devices."""
MOST_PLANS = 64
DIGITS = 6
"""Frames a second and milliseconds that differ by less are the same."""

Pool = Mapping[str, int]
"""Devices of each kind."""


def plan(
    workload: Workload, devices: Sequence[DeviceGroup], calibration: Calibration | None = None, *, players: int = 1,
    latency_ms: float | None = None, decoding: str | None = None, overlap: float = 0.0,
) -> list[Plan]:  # fmt: skip
    """The best plans for `players` of a workload, best first: those that meet the latency objective and the tick rate
    (where none does, those that come closest), then by frames a second, then by latency, then by fewer devices. Not all
    devices need be used.

    `decoding` round-robin or spatial only (none: either, but what a processor compiles whole is not divided among
    cores); `overlap`: share of exchanges that is hidden behind computing. Raises
    `BadInputError` for no players or a bad share, and where nothing fits the devices' memory, saying what is short and
    by how much.
    """
    question = _question(workload, players, latency_ms, overlap)
    decodings = [known.value for known in Decoding]
    if decoding is not None and decoding not in decodings:
        raise BadInputError(f"decoding must be {' or '.join(decodings)}; got {decoding!r}")
    fitting, short = list[tuple[Placed, Assessment]](), list[tuple[float, str]]()
    for placed in placements(question, devices, calibration, decodings if decoding is None else [decoding]):
        found = assess(question, placed, -(-players // placed.layout.replicas))
        missing = shortage(placed, found)
        if missing is None:
            fitting.append((placed, found))
        else:
            short.append((max(found.dit_memory, found.decoder_memory), missing))
    if not fitting:
        _refuse(workload, devices, players, min(short)[1])
    fitting.sort(key=lambda pair: _rank(question, *pair))
    return [plan_of(question, *pair) for pair in fitting[:MOST_PLANS]]


def predict(
    workload: Workload, layout: Layout, devices: Sequence[DeviceGroup], calibration: Calibration | None = None, *,
    players: int = 1, latency_ms: float | None = None, overlap: float = 0.0,
) -> Plan:  # fmt: skip
    """What a given layout would bring: the dynamics of all replicas on the first of the `devices`, the decoders on
    those that follow.

    Raises `BadInputError` where there are too few devices, more in the dynamics than heads or more strips than rows of
    latent cells, or where one's memory is too small.
    """
    question = _question(workload, players, latency_ms, overlap)
    there = sum(group.count for group in devices)
    if layout.devices > there:
        raise BadInputError(f"the layout needs {layout.devices} devices; there are {there} ({devices_text(devices)})")
    if layout.dit_devices > most_dynamics(workload):
        raise BadInputError(
            f"{workload.name} has {workload.heads} heads and {workload.tokens} tokens to share, and the layout "
            f"{layout.dit_devices} devices for them; use at most {most_dynamics(workload)}"
        )
    if layout.decoding == Decoding.SPATIAL and layout.decoder_devices > workload.decoder_rows:
        raise BadInputError(
            f"{workload.name} has {workload.decoder_rows} rows of latent cells to cut into {layout.decoder_devices} "
            "strips; use fewer, or round-robin"
        )
    kinds = {group.kind.name: rates_of(group.kind, workload, calibration) for group in devices}
    flat = [group.kind.name for group in devices for _ in range(group.count)]
    first = layout.replicas * layout.dit_devices
    dit = flat[:first]
    decoder = dit if layout.shared else flat[first : layout.devices]
    placed = _placed(
        question, layout, kinds, Counter(dit[: layout.dit_devices]), Counter(decoder[: layout.decoder_devices]),
        (Counter(dit), Counter(decoder)),
    )  # fmt: skip
    found = assess(question, placed, -(-players // layout.replicas))
    missing = shortage(placed, found)
    if missing is not None:
        _refuse(workload, devices, players, missing)
    return plan_of(question, placed, found)


def _question(workload: Workload, players: int, latency_ms: float | None, overlap: float) -> Question:
    if players < 1:
        raise BadInputError(f"a plan is for at least 1 player; got {players}")
    if latency_ms is not None and not latency_ms > 0:
        raise BadInputError(f"a latency objective is a positive number of milliseconds; got {latency_ms:g}")
    if not 0 <= overlap <= 1:
        raise BadInputError(f"overlap is a share of the exchanges, from 0 to 1; got {overlap:g}")
    return Question(workload, players, latency_ms, overlap)


def _refuse(workload: Workload, devices: Sequence[DeviceGroup], players: int, missing: str) -> None:
    who = "one player" if players == 1 else f"{players} players"
    fewer = "" if players == 1 else "for fewer players, or "
    raise BadInputError(
        f"{workload.name} for {who} does not fit {devices_text(devices)}: {missing}; plan "
        f"{fewer}with more or larger devices"
    )


def _rank(question: Question, placed: Placed, found: Assessment) -> tuple[float, float, float, int, int, str]:
    late = max(1.0, round(beyond(question, found), DIGITS))
    fps, latency = round(1 / found.tick, DIGITS), round(1e3 * found.latency, DIGITS)
    return late, -fps, latency, placed.layout.devices, placed.layout.dit_devices, placed.layout.decoding


def most_dynamics(workload: Workload) -> int:
    """Devices that the dynamics can be shared by: none without a head, or without a token."""
    return min(workload.heads, workload.tokens)


def placements(
    question: Question, devices: Sequence[DeviceGroup], calibration: Calibration | None, decodings: Sequence[str]
) -> Iterator[Placed]:
    """Every layout on these devices that could be the best: each stage on one kind, or spread over kinds; as many
    replicas, all alike, as there is room and players for."""
    kinds = {group.kind.name: rates_of(group.kind, question.workload, calibration) for group in devices}
    pool = {group.kind.name: group.count for group in devices}
    whole = {group.kind.name for group in devices if group.kind.host and question.workload.whole_on_hosts}
    for dit, decoder in _compositions(question.workload, pool):
        if sum(dit.values()) > 1 and whole & set(dit):
            continue
        strips = not (len(decodings) > 1 and whole & set(decoder or {}))  # unless nothing else was asked for
        for layout in _layouts(question, pool, dit, decoder, decodings if strips else decodings[:1]):
            yield _placed(question, layout, kinds, dit, decoder)


def _compositions(workload: Workload, pool: Pool) -> Iterator[tuple[Pool, Pool | None]]:
    """Devices of one pipeline's dynamics and decoder by kind; no decoder: one device for both."""
    most_dit = min(MOST_PER_STAGE, most_dynamics(workload))
    for kind in pool:
        yield {kind: 1}, None
    for first, second in itertools.product(pool, repeat=2):
        for n in range(1, min(most_dit, pool[first]) + 1):
            left = pool[second] - (n if first == second else 0)
            for m in range(1, min(MOST_PER_STAGE, left) + 1):
                yield {first: n}, {second: m}
    if len(pool) > 1:
        yield from _mixed(pool, most_dit)


def _mixed(pool: Pool, most_dit: int) -> Iterator[tuple[Pool, Pool]]:
    """Those of one pipeline in which a stage is spread over kinds: the dynamics takes from one end of a row of all
    devices, the decoder from where it ends."""
    for order in itertools.permutations(pool, min(len(pool), MOST_MIXED)):
        row = [kind for kind in order for _ in range(pool[kind])]
        for n in range(1, min(most_dit, len(row) - 1) + 1):
            for end in range(n + 1, min(n + MOST_PER_STAGE, len(row)) + 1):
                dit, decoder = Counter(row[:n]), Counter(row[n:end])
                if len(dit) > 1 or len(decoder) > 1:
                    yield dit, decoder


def _layouts(
    question: Question, pool: Pool, dit: Pool, decoder: Pool | None, decodings: Sequence[str]
) -> Iterator[Layout]:
    """How such a pipeline can draw, and how many of them."""
    needed = Counter(dit) + Counter(decoder or {})
    room = min(pool[kind] // count for kind, count in needed.items())
    each = -(-question.players // min(room, question.players))
    replicas = -(-question.players // each)  # no more than bring each player something
    if decoder is None:
        yield Layout(shared=True, replicas=replicas)
        return
    n, m = sum(dit.values()), sum(decoder.values())
    for decoding in decodings if m > 1 else decodings[:1]:
        if decoding != Decoding.SPATIAL or m <= question.workload.decoder_rows:
            yield Layout(n, m, decoding, replicas=replicas)


def _placed(
    question: Question, layout: Layout, kinds: Mapping[str, Rates], dit: Pool, decoder: Pool | None,
    over: tuple[Pool, Pool] | None = None,
) -> Placed:  # fmt: skip
    """`over`: what all replicas' stages are spread over, where they differ from the first's."""
    decoder = dit if decoder is None else decoder
    all_dit, all_decoder = over or (dit, decoder)
    workload = question.workload
    slow_dit = max(all_dit, key=lambda name: dynamics_cost(workload, kinds[name], 1, 1).total)
    slow_decoder = max(all_decoder, key=lambda name: drawing_cost(workload, kinds[name], 1).total)
    return Placed(
        layout, _slowed(kinds, slow_dit, all_dit), _slowed(kinds, slow_decoder, all_decoder), dict(dit), dict(decoder)
    )


def _slowed(kinds: Mapping[str, Rates], slowest: str, together: Pool) -> Rates:
    """A group's pace follows its slowest device, its memory its smallest; kinds that differ speak over the network."""
    if len(together) == 1:
        return kinds[slowest]
    rates = [kinds[name] for name in together]
    network = min(one.kind.network for one in rates)
    latency = max(one.kind.network_latency for one in rates)
    return dataclasses.replace(
        kinds[slowest], memory=min(one.memory for one in rates), link=network, link_latency=latency
    )
