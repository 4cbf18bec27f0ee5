"""Align Parquet files on many cores, GPUs or machines, by Ray Data.

    python examples/align_parquet.py MODEL INPUT OUTPUT --workers 8

INPUT is a directory of Parquet files, with either side of the text in a column. OUTPUT
becomes a directory of them, rows in the same order, with the columns that `AlignBatch`
adds. It appears when all of it is there; until then what is done lies in OUTPUT.part,
and the same command goes on from it. RAY_ADDRESS names a running cluster, all of whose
machines see these paths; without it, Ray runs on this machine.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data

from aligner.cli.console import reporting, say
from aligner.errors import ConfigError, CorpusError
from aligner.extraction.table_rows import ADDED, AlignBatch
from aligner.files import clear_leftovers, replacing, write_whole
from aligner.nmt.checkpoint import WEIGHTS
from aligner.processors import prepare_environment

SHARE_ROWS = 100_000  # that a worker aligns at a time; more, if a row group has more


def stamp(path: Path) -> list[int]:
    """Return what tells whether a file is still the same: its size and its time."""
    return [path.stat().st_size, path.stat().st_mtime_ns]


def shares_of(path: Path, align: AlignBatch) -> list[dict[str, Any]]:
    """Cut a Parquet file at row groups; raise CorpusError if it cannot be aligned."""
    try:
        file = pq.ParquetFile(path)
        align(file.schema_arrow.empty_table().to_pydict())  # it has the columns
        kinds = {file.schema_arrow.field(name).type for name in (align.src, align.tgt)}
        if not kinds <= {pa.string(), pa.large_string()}:
            raise CorpusError(f"expected columns of strings, got {[*map(str, kinds)]}")
    except (pa.ArrowInvalid, CorpusError) as error:
        raise CorpusError(f"{path}: {error}") from None
    shares, groups, rows = [], [], 0
    for group in range(file.num_row_groups):
        groups.append(group)
        rows += file.metadata.row_group(group).num_rows
        if rows >= SHARE_ROWS or group == file.num_row_groups - 1:
            share = {"path": str(path), "groups": groups, "rows": rows}
            shares.append({**share, "stamp": stamp(path)})
            groups, rows = [], 0
    return shares


class AlignShare:
    """What a worker does: align one share after the other, each into its own file."""

    def __init__(self, part: Path, settings: dict[str, Any]) -> None:
        """Load the model."""
        prepare_environment()  # bounds what torch keeps of products in bfloat16
        self.part, self.align = part, AlignBatch(**settings)

    def __call__(self, share: dict[str, Any]) -> dict[str, Any]:
        """Align a share, unless it is there. Who repeats it replaces what it wrote."""
        out = self.part / share["name"]
        if not out.exists():
            with replacing(out) as beside:
                file = pq.ParquetFile(share["path"])
                table = file.read_row_groups(list(share["groups"]))
                text = table.select([self.align.src, self.align.tgt]).to_pydict()
                found = self.align(text)
                for name in ADDED:
                    kind = pa.float64() if name == "score" else pa.string()
                    table = table.append_column(name, pa.array(found[name], kind))
                pq.write_table(table, beside)
        return {"name": share["name"]}


def align_all(given: argparse.Namespace) -> None:
    """Share out the work, and let the output appear."""
    model, out = given.model.resolve(), given.output.resolve()
    settings = {"model": str(model), "src": given.src, "tgt": given.tgt}
    align = AlignBatch(**settings)  # a mistake shows here, not in every worker
    files = sorted(given.input.resolve().glob("*.parquet"))
    shares = [share for path in files for share in shares_of(path, align)]
    for number, share in enumerate(shares):  # named so that they sort as they follow
        share["name"] = f"{number:06}-{Path(share['path']).name}"
    weights = stamp(model / WEIGHTS)
    part = out.with_name(f"{out.name}.part")
    note, run = part / "_run.json", json.dumps([settings, weights, shares])
    if not shares:
        raise ConfigError(f"{given.input}: expected Parquet files with rows, got none")
    if out.exists():
        raise ConfigError(
            f"{out}: expected a new directory, got one that is there already"
        )
    if part.exists() and not (note.exists() and note.read_text() == run):
        raise ConfigError(f"{part}: expected what this command began: remove it")
    write_whole(note, run)

    # A core more, or Ray warns that none is left; its store passes on names, no text.
    here = {"num_cpus": given.workers + 1, "object_store_memory": 100_000_000}
    ray.init(**({} if os.environ.get("RAY_ADDRESS") else here))
    device = "cuda" if given.gpus else "cpu"
    ray.data.from_items(shares, override_num_blocks=len(shares)).map(
        AlignShare,
        fn_constructor_args=(part, settings | {"device": device}),
        compute=ray.data.ActorPoolStrategy(size=given.workers),
        num_cpus=1,
        num_gpus=given.gpus,
    ).materialize()
    clear_leftovers(part)
    part.rename(out)
    say(f"{out}: {sum(share['rows'] for share in shares)} rows")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("model", "input", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--workers", type=int, default=1, help="with a core each")
    parser.add_argument("--gpus", type=float, default=0, help="a worker: 1, 0.25, ...")
    for name in ("src", "tgt"):
        parser.add_argument(f"--{name}", default=name, help="the column of that side")
    with reporting():
        align_all(parser.parse_args())


if __name__ == "__main__":
    main()
