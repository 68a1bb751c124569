"""Shards in folders and object stores: a real S3 server on loopback, real readers, faults on the wire."""

import hashlib
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
import werkzeug.serving
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from generation import store, verify
from generation.dataset import Dataset, Id
from generation.jobs import Job, Limits, Outcome, Plan
from generation.make import Recipe, clip_name
from generation.produce import produce
from tests.tiny import tiny_clip
from vdpm.errors import UserError
from vdpm.files import sha256
from vdpm.storage import decode, encode, read_members, write_shard

FRAMES = 3
RECIPE = Recipe(seed=0, resolution=(32, 24), frames=FRAMES, samples=1)
CLIP = tiny_clip(frames=FRAMES)


class Faults:
    """Stands before a web server and answers some requests with an error."""

    def __init__(self, application: Any):
        self.application, self.method, self.left, self.seen = application, "PUT", 0, 0

    def __call__(self, environment: dict[str, Any], start: Any) -> Any:
        if environment["REQUEST_METHOD"] == self.method:
            self.seen += 1
            if self.left > 0:
                self.left -= 1
                start("503 Slow Down", [("Content-Type", "application/xml")])
                return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]
        return self.application(environment, start)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Faults]]:
    faults = Faults(DomainDispatcherApplication(create_backend_app))
    running = werkzeug.serving.make_server("127.0.0.1", 0, faults, threaded=True)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", faults
    running.shutdown()
    thread.join()


@pytest.fixture
def bucket(server, monkeypatch, tmp_path) -> tuple[str, Faults]:
    """URL of a fresh bucket, and the faults of its server."""
    import s3fs

    address, faults = server
    for name, value in {
        "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1", "XDG_CACHE_HOME": str(tmp_path / "cache"), "AWS_MAX_ATTEMPTS": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 2)
    s3fs.S3FileSystem.clear_instance_cache()
    name = "b" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
    faults.left, faults.seen = 0, 0
    return f"s3://{name}/train", faults


def finish(dataset: Dataset, clips: list[Id]) -> None:
    """Put clips where a worker would."""
    for family, index in clips:
        name = clip_name(family, index, RECIPE)
        meta = {**CLIP.meta, "index": index, "substituted": {"0": "took more than 1 s"} if index == 2 else {}}
        write_shard(dataset.staged((family, index)), [(name, encode(replace(CLIP, name=name, meta=meta)))])


def clips(*indices: int, family: str = "kubric_f") -> list[Id]:
    return [(family, index) for index in indices]


@pytest.fixture(params=["folder", "memory", "s3"])
def out(request, tmp_path) -> str:
    """The same dataset on a disk, in memory, and on S3."""
    if request.param == "s3":
        return request.getfixturevalue("bucket")[0]
    return f"memory://{tmp_path.name}" if request.param == "memory" else str(tmp_path / "data")


def test_a_store_anywhere_holds_the_same_shards(out, tmp_path):
    dataset = Dataset(out, RECIPE, tmp_path / "staging")
    assert dataset.missing(clips(0, 1, 2, 3)) == clips(0, 1, 2, 3)
    finish(dataset, clips(1, 3))
    assert dataset.missing(clips(0, 1, 2, 3)) == clips(0, 2)
    dataset.pack(clips(1, 3))
    finish(dataset, clips(0, 2))
    dataset.pack(clips(0, 1, 2, 3))
    dataset.index()
    again = Dataset(out, RECIPE, tmp_path / "elsewhere")
    assert again.missing(clips(0, 1, 2, 3, 4)) == clips(4)
    assert again.substituted(clips(0, 1, 2)) == {"took more than 1 s": 1} and not again.substituted(clips(0, 1))
    names = ["dataset.json", "kubric_f-000000.json", "kubric_f-000000.tar", "wids.json"]
    assert again.store.names() == names and not list(dataset.staging.glob("*.tar"))
    at_once = Dataset(str(tmp_path / "once"), RECIPE)
    finish(at_once, clips(0, 1, 2, 3))
    at_once.pack(clips(0))
    at_once.index()
    for name in names:
        assert again.store.read(name) == at_once.store.read(name), name


def test_clips_of_another_recipe_are_refused_with_the_difference(out, tmp_path):
    Dataset(out, RECIPE, tmp_path / "staging")
    with pytest.raises(
        UserError, match=re.escape("holds clips with seed 0 not 1, samples 1 not 8; choose another --out")
    ):
        Dataset(out, replace(RECIPE, seed=1, samples=8), tmp_path / "staging")


def test_a_manifest_that_was_not_written_is_made_from_the_shard(out, tmp_path):
    dataset = Dataset(out, RECIPE, tmp_path / "staging")
    finish(dataset, clips(0, 2))
    dataset.pack(clips(0))
    before = dataset.store.read("kubric_f-000000.json")
    dataset.store.remove("kubric_f-000000.json")
    assert Dataset(out, RECIPE, tmp_path / "elsewhere").missing(clips(0, 1, 2)) == clips(1)
    assert dataset.store.read("kubric_f-000000.json") == before


def test_a_reader_on_s3_never_meets_a_manifest_without_its_whole_shard(bucket, tmp_path):
    """It looks again and again, manifest first, while a shard is put and then grows."""
    dataset = Dataset(bucket[0], RECIPE, tmp_path)
    seen, wrong, done = [], [], threading.Event()

    def look() -> None:
        reader = store.Bucket(bucket[0])
        while not done.is_set():
            if reader.size("kubric_f-000000.json") is None:
                continue
            try:
                first = json.loads(reader.read("kubric_f-000000.json"))
                shard = reader.read("kubric_f-000000.tar")
                last = json.loads(reader.read("kubric_f-000000.json"))
            except UserError:  # it is being replaced
                continue
            if first == last:
                seen.append(len(first["clips"]))
                wrong.extend([first] if hashlib.sha256(shard).hexdigest() != first["sha256"] else [])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for index in range(6):
            finish(dataset, clips(index))
            dataset.pack(clips(index))
    finally:
        done.set()
        thread.join()
    assert len(set(seen)) > 1 and not wrong


def test_throttled_puts_are_tried_again(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "PAUSES", (0.1,) * 5)
    dataset = Dataset(bucket[0], RECIPE, tmp_path)
    finish(dataset, clips(0))
    bucket[1].left = 4
    dataset.pack(clips(0))
    assert bucket[1].left == 0 and dataset.manifest(("kubric_f", 0))["clips"] == ["kubric_f-0-00000000"]


def test_a_store_that_keeps_failing_loses_nothing(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "PAUSES", (0.01,))
    dataset = Dataset(bucket[0], RECIPE, tmp_path)
    finish(dataset, clips(0))
    bucket[1].left = 10_000
    with pytest.raises(UserError, match=r"kubric_f-000000.tar: .*the same command tries again"):
        dataset.pack(clips(0))
    bucket[1].left = 0
    assert dataset.missing(clips(0)) == [] and dataset.store.names() == ["dataset.json"]
    dataset.pack(clips(0))
    assert dataset.store.names() == ["dataset.json", "kubric_f-000000.json", "kubric_f-000000.tar"]


def test_no_such_bucket_is_one_line(bucket, tmp_path):
    with pytest.raises(UserError, match=r"s3://nowhere-to-be-found/train"):
        Dataset("s3://nowhere-to-be-found/train", RECIPE, tmp_path)
    with pytest.raises(UserError, match=r"--out ftq://host/x"):
        Dataset("ftq://host/x", RECIPE, tmp_path)


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    """Two shards of two families; the clips of the second deform and have other metadata."""
    folder = tmp_path_factory.mktemp("packed")
    dataset = Dataset(str(folder), RECIPE)
    finish(dataset, clips(*range(6)))
    for index in range(2):
        name = clip_name("soft", index, RECIPE)
        floor = np.arange(4, dtype=np.int32)
        shapes = np.repeat(CLIP.surfaces.vertices[None, :4], FRAMES, axis=0)
        clip = replace(CLIP, name=name, meta={"family": "soft", "refused": ["too little to see"], "bodies": [{"links": 3}]},
                       surfaces=replace(CLIP.surfaces, deforming=floor, shapes=shapes))  # fmt: skip
        write_shard(dataset.staged(("soft", index)), [(name, encode(clip))])
    dataset.pack(clips(0) + clips(0, family="soft"))
    dataset.index()
    return folder


def test_wids_reads_any_clip(packed, tmp_path, monkeypatch):
    import wids

    dataset = wids.ShardListDataset(str(packed / "wids.json"), cache_dir=str(tmp_path), transformations=[])  # pyright: ignore[reportArgumentType]
    assert len(dataset) == 8
    sample = dataset[7]
    assert sample["__key__"] == "soft-0-00000001"
    members = {name[1:]: stream.read() for name, stream in sample.items() if name.startswith(".")}
    assert decode("soft-0-00000001", members).surfaces.shapes.shape == (FRAMES, 4, 3)


def test_webdataset_reads_all_shards(packed):
    shards = sorted(str(path) for path in packed.glob("*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"))  # pyright: ignore[reportAttributeAccessIssue]
    assert [sample["__key__"] for sample in samples][5:] == [
        "kubric_f-0-00000005",
        "soft-0-00000000",
        "soft-0-00000001",
    ]
    assert samples[0]["rgb.0002.jpg"].shape == (24, 32, 3)


def test_huggingface_datasets_read_clips_of_all_kinds(packed, tmp_path):
    from datasets import load_dataset

    from vdpm.hub import features

    files, cache = str(packed / "*.tar"), str(tmp_path)
    alike = load_dataset("webdataset", data_files=str(packed / "kubric_f-*.tar"), split="train", cache_dir=cache)
    assert alike.num_rows == 6 and alike[5]["meta.json"]["index"] == 5 and alike[0]["rgb.0000.jpg"].size == (32, 24)
    types = features(packed / "kubric_f-000000.tar")
    streamed = list(load_dataset("webdataset", data_files=files, features=types, split="train", streaming=True))
    stored = load_dataset("webdataset", data_files=files, features=types, split="train", cache_dir=cache)
    for samples in (streamed, stored):
        assert samples[7]["__key__"] == "soft-0-00000001" and samples[7]["meta.json"]["bodies"] == [{"links": 3}]
        assert np.shape(samples[7]["motion.npz"]["shapes"]) == (FRAMES, 4, 3)
        assert [len(shape) for shape in samples[0]["motion.npz"]["shapes"]] == [0] * FRAMES
        assert (np.array(samples[0]["triangle.npz"]["0001"]) == CLIP.triangle[1]).all()


def executor(monkeypatch, failing: dict[int, Outcome]) -> list[Job]:
    """Jobs are done at once, without Blender; some fail as told. The list fills with what was asked for."""
    asked: list[Job] = []

    def run(jobs: list[Job], plan: Plan) -> Iterator[Outcome]:
        for job in jobs:
            asked.append(job)
            outcome = failing.get(job.index)
            if outcome is None or outcome.failure is None:
                name = clip_name(job.family, job.index, job.recipe)
                drawn = {str(n): why for n, why in enumerate(outcome.substituted)} if outcome else {}
                clip = replace(CLIP, name=name, meta={**CLIP.meta, "substituted": drawn})
                write_shard(job.path, [(name, encode(clip))])
            yield replace(outcome, job=job) if outcome else Outcome(job=job)

    monkeypatch.setattr("generation.executing.load", lambda name: run)
    return asked


def job(index: int) -> Job:
    return Job(family="kubric_f", index=index, recipe=RECIPE, path=Path("x"))


PLAN = Plan(workers=1, limits=Limits(reserve=0))


def test_a_run_says_how_many_were_substituted_and_why(tmp_path, monkeypatch, capsys):
    slow, torn = ("took more than 9 s",), ("ended with SIGSEGV", "took more than 9 s")
    failing = {1: Outcome(job=job(1), substituted=slow), 3: Outcome(job=job(3), substituted=torn, refused=2)}
    executor(monkeypatch, failing)
    dataset = Dataset(str(tmp_path), RECIPE)
    with pytest.raises(SystemExit) as status:
        produce(dataset, clips(*range(5)), "local", PLAN, quiet=True)
    assert status.value.code == 3
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.endswith("; 3 substituted (2 x took more than 9 s, 1 x ended with SIGSEGV)") and "5 of 5 clips" in last
    facts = dataset.manifest(("kubric_f", 0))
    assert facts["substituted"] == {
        "kubric_f-0-00000001": {"0": slow[0]},
        "kubric_f-0-00000003": {"0": torn[0], "1": torn[1]},
    }
    told = json.loads((tmp_path / "status.json").read_text())
    assert (told["done"], told["wanted"], told["substituted"], told["refused"]) == (5, 5, 2, 2)


def test_a_run_goes_on_while_its_store_refuses(bucket, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(store, "PAUSES", (0.01,))
    make = executor(monkeypatch, {})
    dataset = Dataset(bucket[0], RECIPE, tmp_path)
    wanted = [*clips(0), *clips(0, family="soft")]
    pack, packs = dataset.pack, []

    def pack_in_trouble(ids: list[Id]) -> None:
        packs.append(ids)
        bucket[1].left = 10_000 if len(packs) == 1 else 0
        pack(ids)

    monkeypatch.setattr(dataset, "pack", pack_in_trouble)
    produce(dataset, wanted, "local", PLAN, quiet=True)
    assert len(make) == 2 and "for now: s3://" in capsys.readouterr().err
    assert [name for name in dataset.store.names() if name.endswith(".tar")] == [
        "kubric_f-000000.tar",
        "soft-000000.tar",
    ]
    assert not list(tmp_path.glob("*.tar"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_gets_full_ends_the_run_and_spoils_nothing(tmp_path, monkeypatch):
    """A real file system of 1 MB, without a reserve and with one."""
    executor(monkeypatch, {})
    for reserve, words in ((0, "No space left on device|MB are free"), (0.3, "MB are free")):
        disk = tmp_path / f"disk{reserve}"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False)
        if mounted.returncode:
            pytest.skip("mounting is not allowed here")
        try:
            dataset = Dataset(str(disk), RECIPE)
            with pytest.raises(UserError, match=words):
                produce(
                    dataset, clips(*range(40)), "local", Plan(workers=1, limits=Limits(reserve=reserve)), quiet=True
                )
            for path in disk.rglob("*.tar"):
                assert [name for name, _ in read_members(path)]
            assert not list(disk.rglob("*.part"))
            if reserve:
                assert dataset.manifest(("kubric_f", 0))["clips"]
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def test_failed_clips_do_not_stop_the_others(tmp_path, monkeypatch):
    executor(monkeypatch, {1: Outcome(job=job(1), failure="none of 20 scenes will do")})
    dataset = Dataset(str(tmp_path), RECIPE)
    with pytest.raises(UserError, match=r"1 of 4 clips failed \(kubric_f-0-00000001: none of 20 scenes will do\)"):
        produce(dataset, clips(*range(4)), "local", PLAN, quiet=True)
    assert dataset.missing(clips(*range(4))) == clips(1)
    told = json.loads((tmp_path / "status.json").read_text())
    assert (told["state"], told["done"], told["failed"], told["eta_seconds"]) == ("stopped", 3, 1, 0)


def test_when_nothing_works_the_run_stops(tmp_path, monkeypatch):
    executor(monkeypatch, {index: Outcome(job=job(index), failure="raised OSError") for index in range(100)})
    with pytest.raises(UserError, match=r"20 clips in a row failed; the last, kubric_f-0-00000019: raised OSError"):
        produce(Dataset(str(tmp_path), RECIPE), clips(*range(100)), "local", PLAN, quiet=True)


def test_a_run_stops_before_the_disk_is_full(tmp_path, monkeypatch):
    """The reserve is set so that it is reached after a few clips; what is finished gets packed."""
    import shutil

    executor(monkeypatch, {})
    dataset = Dataset(str(tmp_path), RECIPE)
    finish(dataset, clips(0))
    size = dataset.staged(("kubric_f", 0)).stat().st_size
    free = iter(range(2_000_000 + 7 * size, 0, -size))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=next(free)))
    plan = Plan(workers=1, limits=Limits(reserve=2))
    with pytest.raises(UserError, match=r"MB are free at .* --reserve keeps 2"):
        produce(dataset, clips(*range(40)), "local", plan, quiet=True)
    kept = dataset.manifest(("kubric_f", 0))["clips"]
    assert (
        2 <= len(kept) < 7 and sha256(tmp_path / "kubric_f-000000.tar") == dataset.manifest(("kubric_f", 0))["sha256"]
    )


def damage(folder: Path, kind: str) -> None:
    """What disks and people do to a shard."""
    shard = folder / "kubric_f-000000.tar"
    data = bytearray(shard.read_bytes())
    if kind == "a flipped bit":
        data[data.index(b"kubric_f-0-00000001.mesh.npz") + 700] ^= 1
    if kind == "cut off":
        data = data[: data.index(b"kubric_f-0-00000003.rgb")]
    shard.write_bytes(data)
    if kind == "tar deleted":
        shard.unlink()
    if kind == "manifest deleted":
        shard.with_suffix(".json").unlink()


@pytest.mark.parametrize(
    ("kind", "words", "again"),
    [
        ("a flipped bit", "1 of 4 clips are damaged or missing: kubric_f-0-00000001", [1]),
        ("cut off", "1 of 4 clips are damaged or missing: kubric_f-0-00000003", [3]),
        ("tar deleted", "its tar is missing: kubric_f-0-00000000, kubric_f-0-00000001", [0, 1, 2, 3]),
        ("manifest deleted", "its manifest is missing", []),
    ],
)
def test_verify_finds_damage_and_repairs_exactly_that(tmp_path, monkeypatch, capsys, kind, words, again):
    slow = {2: Outcome(job=job(2), substituted=("took more than 9 s",))}
    made = executor(monkeypatch, slow)
    with pytest.raises(SystemExit):
        produce(Dataset(str(tmp_path), RECIPE), clips(*range(4)), "local", PLAN, quiet=True)
    before = {path.name: sha256(path) for path in tmp_path.glob("kubric_f*")}
    config = verify.Config(out=str(tmp_path), quiet=True, limits=Limits(reserve=0))
    verify.main(config)
    damage(tmp_path, kind)
    made.clear()
    with pytest.raises(UserError, match=r"1 of 1 shards of .* are not well; --repair makes them so"):
        verify.main(config)
    assert words in capsys.readouterr().out
    verify.main(replace(config, repair=True))
    assert [job.index for job in made] == again
    assert all(job.skipped == (((0, "took more than 9 s"),) if job.index == 2 else ()) for job in made)
    assert {path.name: sha256(path) for path in tmp_path.glob("kubric_f*")} == before
    verify.main(config)
    with pytest.raises(UserError, match="not well"):
        verify.main(replace(config, num=5))
    assert "1 of 5 clips were never made, the first kubric_f-0-00000004" in capsys.readouterr().out
