"""Bounded, pickle-free reading and all-or-nothing writing."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_folder, atomic_write, read_bytes, read_npy, read_npz, read_text

plain = st.one_of(
    arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0, max_side=4))
    for dtype in (np.float32, np.float64, np.int16, np.uint8, np.bool_, "U5", ">f8")
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "joints", "person0.rest"]), plain), st.booleans(), st.booleans())
def test_plain_arrays_come_back(tmp_path_factory, content, compress, fortran):
    path = tmp_path_factory.mktemp("npz") / "file.npz"
    saved = {
        name: np.asfortranarray(array) if fortran and array.ndim else array for name, array in content.items()
    }
    (np.savez_compressed if compress else np.savez)(path, **saved)
    again = read_npz(path)
    assert set(again) == set(content)
    for name, array in content.items():
        assert again[name].dtype == array.dtype
        assert again[name].shape == array.shape
        assert again[name].tobytes() == array.tobytes()


class Bomb:
    """Would run code when unpickled."""

    def __reduce__(self):
        return os.abort, ()


def header(shape: str, descr: str = "'<f8'", version: bytes = b"\x01\x00") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


GOOD = zipped({"a.npy": npy(np.arange(1000.0))}, zipfile.ZIP_STORED)
ARRAYS = {
    "empty": (b"", "not a readable"),
    "text": (b"hello", "not a readable"),
    "pickle": (pickle.dumps(Bomb()), "not a readable"),
    "truncated": (GOOD[:2000], "truncated"),
    "flipped bit": (GOOD[:1500] + bytes([GOOD[1500] ^ 1]) + GOOD[1501:], "CRC"),
    "zip bomb": (zipped({"a.npy": header("(40000000,)") + bytes(320_000_000)}), "more than the limit"),
    "many members": (zipped({f"{k}.npy": npy(np.zeros(30_000)) for k in range(300)}), "more than the limit"),
    "absurd shape": (
        zipped({"a.npy": header("(10**9, 10**9)".replace("10**9", "1000000000"))}),
        "only 0 are there",
    ),
    "huge but empty": (zipped({"a.npy": header("(0, 99999999999999999999)")}), "array 'a'"),
    "negative shape": (zipped({"a.npy": header("(-5,)")}), "array 'a'"),
    "objects": (zipped({"a.npy": header("(1,)", "'|O'") + pickle.dumps(Bomb())}), "pickled Python objects"),
    "nested objects": (
        zipped({"a.npy": header("(1,)", "[('x', '|O')]") + bytes(64)}),
        "pickled Python objects",
    ),
    "code in the header": (zipped({"a.npy": header("(__import__('os').abort(),)")}), "not a .npy array"),
    "open brackets": (zipped({"a.npy": header("((((")}), "not a .npy array"),
    "unknown dtype": (zipped({"a.npy": header("(1,)", "'<q9'") + bytes(64)}), "not a .npy array"),
    "no header": (zipped({"a.npy": b"\x93NUMPY\x01\x00"}), "not a .npy array"),
    "future version": (zipped({"a.npy": header("(1,)", version=b"\x09\x00") + bytes(8)}), "version"),
    "endless directory": (GOOD[:-10] + b"\xff\xff\xff\x7f" + GOOD[-6:], "zip directory of more than"),
    "directory beyond the file": (GOOD[:-10] + b"\0\0\xf0\0" + GOOD[-6:], "larger than the file"),
    "array name": (
        GOOD.replace(b"a.npy", b"\xff.npy").replace(b"\x14\0\0\0", b"\x14\0\0\x08"),
        "not a readable",
    ),
    "other compression": (zipped({"a.npy": npy(np.zeros(3))}, zipfile.ZIP_LZMA), "other than deflate"),
    "short data": (zipped({"a.npy": header("(9,)") + bytes(71)}), "needs 72 bytes, but only 71"),
}


@pytest.mark.parametrize("case", sorted(ARRAYS))
def test_bad_npz_ends_in_one_error_that_names_it(tmp_path, case):
    content, message = ARRAYS[case]
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as error:
        read_npz(path, max_bytes=64 << 20)
    assert str(error.value).startswith(f"{path}: ")
    assert len(str(error.value)) < 400


def test_the_same_array_twice_is_refused(tmp_path):
    path = tmp_path / "twice.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy(np.zeros(1)))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", npy(np.ones(1)))
    with pytest.raises(FormatError, match="array 'a': appears twice"):
        read_npz(path)


def test_only_the_arrays_asked_for_are_read(tmp_path):
    path = tmp_path / "some.npz"
    path.write_bytes(
        zipped({"a.npy": npy(np.ones(2)), "b.npy": header("(1,)", "'|O'") + pickle.dumps(Bomb())})
    )
    assert list(read_npz(path, names={"a", "c"})) == ["a"]


def test_npy_files_are_read_as_carefully(tmp_path):
    path = tmp_path / "file.npy"
    np.save(path, np.arange(6).reshape(2, 3))
    assert np.array_equal(read_npy(path), np.arange(6).reshape(2, 3))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match="only 47 are there"):
        read_npy(path)
    np.save(path, np.array([{}], dtype=object))
    with pytest.raises(FormatError, match="never loaded; save plain numbers"):
        read_npy(path)


def test_text_is_bounded_and_its_encoding_checked(tmp_path):
    path = tmp_path / "file.bvh"
    path.write_bytes("\ufeffHIERARCHY\nö".encode())
    assert read_text(path) == "HIERARCHY\nö"
    path.write_bytes("ROOT".encode("utf-16"))
    assert read_text(path) == "ROOT"
    path.write_bytes(b"HIERARCHY\nROOT \xff\n")
    with pytest.raises(FormatError, match=r"line 2: not utf-8 text \(byte 15 is 0xff\); save it as utf-8"):
        read_text(path)
    with pytest.raises(FormatError, match="17 bytes, more than the limit of 5"):
        read_text(path, max_bytes=5)
    assert read_bytes(path).endswith(b"\xff\n")
    with pytest.raises(FormatError, match="is a folder"):
        read_text(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="not a regular file"):
        read_npz(tmp_path / "pipe")


def test_errors_name_file_place_and_remedy():
    error = FormatError("walk.bvh", "5 values where 6 are needed", where="line 12", hint="cut the line off")
    assert str(error) == "walk.bvh: line 12: 5 values where 6 are needed; cut the line off"
    assert str(FormatError("walk.bvh", "is empty")) == "walk.bvh: is empty"
    assert (error.path, error.where) == ("walk.bvh", "line 12")


def test_writing_is_all_or_nothing(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")

    def interrupted() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half of the ne")
            assert temporary.suffix == ".txt"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]
    with pytest.raises(IsADirectoryError, match="give a file name"), atomic_write(tmp_path):
        pass
    with pytest.raises(NotADirectoryError, match="is a file"), atomic_write(path / "out.txt"):
        pass


def test_folders_are_made_and_taken_away_with_what_failed(tmp_path):
    deep = tmp_path / "a" / "b"
    with pytest.raises(RuntimeError), atomic_write(deep / "out.txt"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic_write(deep / f"{'é' * 125}.txt") as temporary:  # 254 bytes: no room for anything before it
        temporary.write_text("new")
    assert [file.read_text() for file in deep.iterdir()] == ["new"]


def test_a_folder_is_written_completely_or_not_at_all(tmp_path):
    target = tmp_path / "frames"

    def write(name: str, fails: bool = False) -> None:
        with atomic_folder(target) as temporary:
            (temporary / name).touch()
            if fails:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write("a", fails=True)
    assert list(tmp_path.iterdir()) == []
    write("a")
    with pytest.raises(KeyboardInterrupt):
        write("b", fails=True)
    assert [file.name for file in target.iterdir()] == ["a"]
    write("b")
    assert [file.name for file in target.iterdir()] == ["b"]
    assert [file.name for file in tmp_path.iterdir()] == ["frames"]
