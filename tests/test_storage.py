"""What is written is read, by us and by anybody's WebDataset; what is not ours is refused in one line."""

import io
import itertools
import json
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset as wds
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from torch.utils.data import DataLoader

from tests.tiny import tiny_clip
from vdpm.clip import Clip
from vdpm.errors import UserError
from vdpm.storage import decode, encode, read_members, read_shard, write_shard

FIELDS = ["camera.npz", "mesh.npz", "meta.json", "motion.npz", "rgb.0000.jpg", "rgb.0001.jpg", "triangle.npz"]


def smooth_clip(name: str) -> Clip:
    """The tiny clip with colours that a JPEG can be expected to keep."""
    clip = tiny_clip(2, name=name)
    u, v = np.meshgrid(np.arange(32), np.arange(24))
    frames = [np.stack([8 * u, 10 * v, 100 + u + v + 20 * t], axis=-1) for t in range(2)]
    return replace(clip, rgb=np.stack(frames).astype(np.uint8))


@pytest.fixture
def clips() -> list[Clip]:
    return [smooth_clip("tiny-0-0"), smooth_clip("tiny-0-1")]


@pytest.fixture
def shard(tmp_path, clips) -> Path:
    return write(tmp_path / "tiny-000000.tar", clips)


def write(path: Path, clips: list[Clip]) -> Path:
    write_shard(path, ((clip.name, encode(clip)) for clip in clips))
    return path


def opened(shards: str) -> Any:
    """As anybody opens shards, without any code of ours."""
    return wds.WebDataset(shards, shardshuffle=False).decode("rgb8")  # pyright: ignore[reportAttributeAccessIssue]


def write_tar(path: Path, members: list[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    """A tar that anybody could have made."""
    with tarfile.open(path, "w") as tar:
        for member, data in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def assert_refused(path: Path, *words: str) -> None:
    """Reading ends with one line that names the file."""
    with pytest.raises(UserError) as refusal:
        list(read_shard(path))
    message = str(refusal.value)
    assert "\n" not in message
    for word in (str(path), *words):
        assert word in message


def test_everything_but_colour_comes_back_as_it_was(shard, clips):
    for clip, back in zip(clips, read_shard(shard), strict=True):
        assert (back.name, back.meta) == (clip.name, clip.meta)
        for record in ("surfaces", "cameras"):
            for name, array in vars(getattr(clip, record)).items():
                assert_array_equal(getattr(getattr(back, record), name), array, strict=True)
        assert_array_equal(back.triangle, clip.triangle, strict=True)


def test_colour_comes_back_nearly(shard, clips):
    for clip, back in zip(clips, read_shard(shard), strict=True):
        assert back.rgb.dtype == np.uint8 and back.rgb.shape == clip.rgb.shape
        error = back.rgb.astype(float) - clip.rgb
        decibels = 10 * np.log10(255**2 / np.mean(error**2))
        assert decibels > 38


def test_one_frame_can_be_read_alone(clips):
    with np.load(io.BytesIO(encode(clips[0])["triangle.npz"])) as triangle:
        assert_array_equal(triangle["0001"], clips[0].triangle[1])


def test_frames_past_ten_keep_their_order():
    clip = tiny_clip(12, 4, 6)
    back = decode(clip.name, encode(clip))
    assert_array_equal(back.triangle, clip.triangle)
    assert len(back.rgb) == 12


def test_same_clips_same_bytes(tmp_path, clips, shard):
    time.sleep(2.1)  # zip counts in steps of two seconds, tar in seconds
    assert write(tmp_path / "again.tar", clips).read_bytes() == shard.read_bytes()


def test_encoding_takes_meta_in_any_order(clips):
    turned = replace(clips[0], meta=dict(reversed(clips[0].meta.items())))
    assert encode(turned) == encode(clips[0])


def test_members_are_sorted_contiguous_and_undated(shard, clips):
    with tarfile.open(shard) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == [f"{clip.name}.{field}" for clip in clips for field in FIELDS]
    assert all(member.isreg() and member.mtime == 0 for member in members)


def test_opens_with_plain_webdataset(shard, clips):
    samples = list(opened(str(shard)))
    assert [sample["__key__"] for sample in samples] == [clip.name for clip in clips]
    assert len({tuple(sorted(key for key in sample if not key.startswith("__"))) for sample in samples}) == 1
    for sample, clip in zip(samples, clips, strict=True):
        assert sorted(key for key in sample if not key.startswith("__")) == FIELDS
        assert sample["rgb.0001.jpg"].shape == (24, 32, 3) and sample["rgb.0001.jpg"].dtype == np.uint8
        assert sample["meta.json"]["family"] == "tiny"
        assert_array_equal(sample["camera.npz"]["world_from_camera"], clip.cameras.world_from_camera)


def test_goes_through_a_data_loader_with_two_workers(tmp_path, clips):
    for index, clip in enumerate(clips):
        write(tmp_path / f"tiny-{index:06d}.tar", [clip])
    shards = opened(str(tmp_path / "tiny-{000000..000001}.tar"))
    pictures = shards.to_tuple("__key__", "rgb.0000.jpg")
    loader = DataLoader(pictures, batch_size=None, num_workers=2)
    loaded = {name: picture.shape for name, picture in loader}
    assert loaded == {clip.name: (24, 32, 3) for clip in clips}


@pytest.mark.parametrize("name", ["a.b", "", "a/b", "../a", "a b", "a\n", "ä"])
def test_names_that_would_split_the_key_are_refused(name):
    with pytest.raises(UserError, match="letters, digits"):
        encode(replace(tiny_clip(1, 4, 6), name=name))


def test_a_crash_while_writing_leaves_no_shard(tmp_path, clips):
    def crashing():
        yield clips[0].name, encode(clips[0])
        raise RuntimeError("power cut")

    path = tmp_path / "tiny-000000.tar"
    with pytest.raises(RuntimeError, match="power cut"):
        write_shard(path, crashing())
    assert not path.exists()
    before = write(path, clips).read_bytes()
    with pytest.raises(RuntimeError, match="power cut"):
        write_shard(path, crashing())
    assert path.read_bytes() == before
    assert sorted(tmp_path.glob("*.tar")) == [path]


def test_truncated_wherever_it_is(shard, tmp_path):
    """At every half block, so inside headers, inside data and between members; only the last, empty padding may go."""
    whole, cut = shard.read_bytes(), tmp_path / "cut.tar"
    content = len(whole.rstrip(b"\0"))
    for length in range(0, content + 1, 256):
        cut.write_bytes(whole[:length])
        assert_refused(cut)


def test_a_broken_header_is_not_the_end(shard):
    """Python's tarfile takes a header it cannot read for the end of the file."""
    data = bytearray(shard.read_bytes())
    data[data.index(b"tiny-0-1.camera")] ^= 0xFF
    shard.write_bytes(data)
    assert_refused(shard)


def test_no_file(tmp_path):
    assert_refused(tmp_path / "nowhere.tar", "No such file")


@pytest.mark.parametrize("data", [b"", b"not a tar", b"\x1f\x8b" + bytes(2000)], ids=["empty", "text", "gzip"])
def test_no_tar(tmp_path, data):
    path = tmp_path / "strange.tar"
    path.write_bytes(data)
    assert_refused(path)


@pytest.mark.parametrize(
    "name", ["photo", "../x", "../x.jpg", "a/b.jpg", "/etc/x.jpg", ".x", "tiny.a/../../b", "a.b\n"]
)
def test_foreign_members(tmp_path, name):
    assert_refused(write_tar(tmp_path / "foreign.tar", [(name, b"x")]), repr(name))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_links_and_folders(tmp_path, kind):
    info = tarfile.TarInfo("tiny-0-0.mesh.npz")
    info.type, info.linkname = kind, "/etc/passwd"
    assert_refused(write_tar(tmp_path / "links.tar", [(info, b"")]), "tiny-0-0.mesh.npz")


def changed(tmp_path: Path, **fields: bytes | None) -> Path:
    """A shard of one clip, some of its members replaced (a, b: a.b) or, with None, left out."""
    named = {field.replace("__", "."): data for field, data in fields.items()}
    members = {**encode(tiny_clip(2, name="tiny-0-7")), **named}
    return write_tar(
        tmp_path / "one.tar", [(f"tiny-0-7.{field}", data) for field, data in members.items() if data is not None]
    )


@pytest.mark.parametrize("field", [field for field in FIELDS if not field.startswith("rgb")])
def test_missing_member(tmp_path, field):
    assert_refused(changed(tmp_path, **{field: None}), "tiny-0-7", field)


def test_missing_frames(tmp_path):
    assert_refused(changed(tmp_path, **{"rgb.0000.jpg": None, "rgb.0001.jpg": None}), "tiny-0-7")
    assert_refused(changed(tmp_path, **{"rgb.0001.jpg": None}), "tiny-0-7")


@pytest.mark.parametrize("meta", [b'{"format_version": 2}', b"{}", b"[]", b"3", b"{", b"\xff"])
def test_other_version_or_no_meta(tmp_path, meta):
    assert_refused(changed(tmp_path, meta__json=meta), "tiny-0-7")


def test_version_is_told(tmp_path):
    meta = json.dumps({"format_version": 99}).encode()
    assert_refused(changed(tmp_path, meta__json=meta), "format 99", "reads 1", "render it again")


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("save", [np.save, np.savez])
def test_pickles_are_never_loaded(tmp_path, save):
    buffer, sprung = io.BytesIO(), tmp_path / "sprung"
    save(buffer, np.array([Trap(sprung)], dtype=object))
    assert_refused(changed(tmp_path, motion__npz=buffer.getvalue()), "tiny-0-7")
    assert not sprung.exists()


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04"])
@pytest.mark.parametrize("field", ["camera.npz", "triangle.npz", "rgb.0000.jpg"])
def test_members_that_are_something_else(tmp_path, field, data):
    assert_refused(changed(tmp_path, **{field: data}), "tiny-0-7")


ENCODED = encode(tiny_clip(2, 6, 8, name="tiny-0-7"))


@given(st.sampled_from(FIELDS), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_flipped_byte_is_an_answer_or_a_refusal(field, where, flip):
    data = bytearray(ENCODED[field])
    data[int(where * len(data))] ^= flip
    try:
        decode("tiny-0-7", {**ENCODED, field: bytes(data)})
    except UserError as refusal:
        assert "tiny-0-7" in str(refusal) and "\n" not in str(refusal)


def test_members_of_a_clip_are_read_lazily(shard):
    """Listing a shard of thousands must not hold it in memory: the first clip comes before the second is touched."""
    data = bytearray(shard.read_bytes())
    data[data.index(b"tiny-0-1.camera")] ^= 0xFF
    shard.write_bytes(data)
    (name, members) = next(iter(itertools.islice(read_members(shard), 1)))
    assert name == "tiny-0-0" and sorted(members) == FIELDS
