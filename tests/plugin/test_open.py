"""Opening through Pillow: identification, info, loading, failures, and Pillow's other ways in."""

import copy
import gc
import io
import mimetypes
import pickle
import warnings

import numpy as np
import pytest
import sample_files
import toy_codec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, UnidentifiedImageError

import pillow_sdz
from pillow_sdz import errors, limits
from pillow_sdz.container import sections as container
from pillow_sdz.errors import SdzError, SdzOptionError
from pillow_sdz.plugin import image_file as plugin
from pillow_sdz.plugin.image_file import SdzImageFile
from pillow_sdz.plugin.info import Metadata


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    return toy_codec.install(monkeypatch)


@pytest.fixture
def rgb():
    return toy_codec.blocks(40, 20)


@pytest.fixture
def data(rgb):
    return toy_codec.encode(rgb, None, "RGB")


@pytest.fixture
def path(tmp_path, data):
    file = tmp_path / "cat.sdz"
    file.write_bytes(data)
    return file


RICH = Metadata(icc=b"icc" * 50, exif=b"MM\0*\0\0\0\x08\0\0", xmp=b"<x/>" * 50, text={"Title": "x", "b": "y" * 99})


def opened(data):
    return Image.open(io.BytesIO(data))


def assert_pixels(image, expected):
    assert np.array_equal(np.asarray(image), expected)


def test_registered(path):
    assert Image.registered_extensions()[".sdz"] == "SDZ"
    assert Image.MIME["SDZ"] == "image/x-sdz"
    assert mimetypes.guess_type(path) == ("image/x-sdz", None)
    before = list(Image.ID)
    pillow_sdz.register_sdz_opener()
    assert before == Image.ID


def test_magic_is_the_containers():
    assert plugin.MAGIC == container.MAGIC
    assert plugin.accept(container.MAGIC + b"rest")
    assert not plugin.accept(b"PK\x03\x04")


def test_open_reads_what_the_headers_say(path, data, toy):
    with Image.open(path) as image:
        assert image.format == "SDZ"
        assert image.format_description
        assert image.get_format_mimetype() == "image/x-sdz"
        assert (image.size, image.mode) == ((40, 20), "RGB")
        assert image.info == {
            "model": "746f79636f646563",
            "fingerprint": "746f79636f646563",
            "payload": "palette",
            "colors": (15,),
            "layers": 1,
            "bpp": 8 * len(data) / 800,
            "steps": 1,
            "noise": 1.5,
        }
    assert not toy.decoded


def test_info_of_direct_codes(rgb):
    info = opened(toy_codec.encode(rgb, None, "RGB", pillow_sdz.options.SaveOptions(payload="direct"))).info
    assert (info["payload"], info["colors"], info["layers"]) == ("direct", (), 1)


def test_model_is_named_where_it_is_known(data, monkeypatch):
    from pillow_sdz.models import registry

    monkeypatch.setattr(registry, "describe", {b"toycodec": "toy-7"}.get)
    assert opened(data).info["model"] == "toy-7"


def test_open_does_not_mind_a_damaged_model_folder(data, monkeypatch):
    from pillow_sdz.models import registry

    def describe(fingerprint):
        raise errors.SdzModelError("not a model manifest")

    monkeypatch.setattr(registry, "describe", describe)
    assert opened(data).info["model"] == "746f79636f646563"


def test_load(path, rgb):
    with Image.open(path) as image:
        assert_pixels(image, rgb)
        assert image.load() is not None
        assert_pixels(image, rgb)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_modes(mode, rgb):
    rgb = rgb[:, :, :1].repeat(3, axis=2) if mode.startswith("L") else rgb
    alpha = np.arange(800, dtype=np.uint8).reshape(20, 40) if mode.endswith("A") else None
    image = opened(toy_codec.encode(rgb, alpha, mode))
    assert image.mode == mode
    assert np.array_equal(np.asarray(image.convert("RGB")), rgb)
    if alpha is not None:
        assert np.array_equal(np.asarray(image.getchannel("A")), alpha)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (8, 8), (9, 17), (513, 3)])
def test_sizes(size):
    rgb = toy_codec.blocks(*size)
    image = opened(toy_codec.encode(rgb, None, "RGB"))
    assert image.size == size
    assert_pixels(image, rgb)


def test_unknown_ancillary_sections_are_skipped(rgb):
    assert_pixels(opened(toy_codec.encode(rgb, None, "RGB", unknown=[(0xF0, b"later")])), rgb)


def test_file_objects(path, data, rgb):
    with path.open("rb") as file:
        image = Image.open(file)
        assert_pixels(image, rgb)
        assert not file.closed
    with path.open("rb", buffering=0) as file:
        assert_pixels(Image.open(file), rgb)
    stream = io.BytesIO(data)
    for _ in range(2):  # the same stream again
        with Image.open(stream) as image:
            assert_pixels(image, rgb)
    assert not stream.closed


def test_picture_can_be_loaded_after_the_callers_file_was_closed(path, rgb):
    with path.open("rb") as file:
        image = Image.open(file)
    assert_pixels(image, rgb)


def test_unseekable_stream(data, rgb):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.inner = io.BytesIO(data)

        def readable(self):
            return True

        def readinto(self, buffer):
            return self.inner.readinto(memoryview(buffer)[:7])  # short reads, as a pipe may give

        def seek(self, *args):
            raise io.UnsupportedOperation

    assert_pixels(Image.open(Pipe()), rgb)


@pytest.mark.parametrize(
    "damaged",
    [b"", b"\x89SD", b"PK\x03\x04" + bytes(100), b"\x89SDZ\n\x1a\n" + bytes(100), b"\x09SDZ\r\n\x1a\n" + bytes(100)],
    ids=["empty", "cut", "zip", "text mode", "seven bits"],
)
def test_what_lacks_the_magic_is_left_to_others(damaged, tmp_path):
    file = tmp_path / "map.sdz"
    file.write_bytes(damaged)
    with pytest.raises(UnidentifiedImageError):
        Image.open(file)
    with file.open("rb") as stream, pytest.raises(SyntaxError):
        SdzImageFile(stream)


def test_damage_is_an_sdz_error_that_names_the_file(path, data):
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(SdzError, match=r"cat\.sdz: .*checksum") as caught:
        Image.open(path)
    assert caught.value.file == str(path)
    assert isinstance(caught.value, OSError)
    assert not isinstance(caught.value, SyntaxError)


def test_errors_of_streams_name_what_there_is(path, data):
    with pytest.raises(SdzError, match=r"^<stream>: "):
        opened(data[:-1])
    path.write_bytes(data[:-1])
    with path.open("rb") as file, pytest.raises(SdzError, match=r"cat\.sdz: "):
        Image.open(file)


def test_every_cut_and_every_flipped_bit_is_refused():
    data = toy_codec.encode(toy_codec.blocks(9, 9), None, "RGB", metadata=Metadata(icc=b"icc", text={"Title": "x"}))
    for length in range(8, len(data)):
        with pytest.raises(SdzError):
            opened(data[:length])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SdzError if bit >= 64 else UnidentifiedImageError):
            opened(bytes(damaged))


def test_endless_stream(monkeypatch):
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 3 << 20)

    class Endless(io.BytesIO):
        def read(self, size=-1):
            return (plugin.MAGIC + bytes(size))[:size]

    with pytest.raises(errors.SdzLimitError, match="too long"):
        Image.open(Endless())


def test_damaged_metadata_are_noticed_on_opening(rgb, monkeypatch):
    data = toy_codec.encode(rgb, None, "RGB", metadata=Metadata(xmp=bytes(5000)))
    monkeypatch.setattr(limits, "MAX_METADATA_BYTES", 4999)
    with pytest.raises(errors.SdzLimitError, match="xmp"):
        opened(data)


def test_a_failed_load_fails_again(data, toy):
    image = opened(data)
    toy.failure = errors.SdzModelError("no such model")
    for _ in range(3):
        with pytest.raises(errors.SdzModelError, match="no such model"):
            image.load()
    toy.failure = None
    image.load()
    assert image.getbbox() is not None


def test_decompression_bomb(data, monkeypatch):
    image = opened(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(Image.DecompressionBombError):
        opened(data)
    with pytest.raises(Image.DecompressionBombError):  # also where Image.open was not asked
        SdzImageFile(io.BytesIO(data)).load()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.warns(Image.DecompressionBombWarning):
        opened(data)
    image.load()  # no second warning


def test_own_size_limit(data, monkeypatch):
    monkeypatch.setattr(limits, "MAX_PIXELS", 799)
    with pytest.raises(errors.SdzLimitError, match="40 x 20"):
        opened(data)


def test_no_resource_warning(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Image.open(path):
            pass
        Image.open(path).load()
        image = Image.open(path)
        image.verify()
        image = Image.open(path)
        image.close()
        del image
        gc.collect()


def test_one_frame(data):
    image = opened(data)
    assert (image.n_frames, image.is_animated, image.tell()) == (1, False, 0)
    image.seek(0)
    with pytest.raises(EOFError):
        image.seek(1)
    image.load()
    with pytest.raises(EOFError):
        image.seek(1)


def test_pickle_and_copies(path, rgb):
    with Image.open(path) as image:
        twin = pickle.loads(pickle.dumps(image))
    assert type(twin) is SdzImageFile
    assert (twin.format, twin.info) == ("SDZ", image.info)
    assert_pixels(twin, rgb)
    assert twin.n_frames == 1
    twin.load()
    with Image.open(path) as image:
        for other in (image.copy(), copy.copy(image), image.convert("RGB"), image.crop((0, 0, 40, 20))):
            assert_pixels(other, rgb)
            assert other.info == image.info
    again = pickle.loads(pickle.dumps(twin))
    assert_pixels(again, rgb)


def test_numpy_and_raw_bytes(data, rgb):
    assert opened(data).tobytes() == rgb.tobytes()


@pytest.mark.parametrize("piece", [1, 50, 10_000])
def test_parser(data, rgb, piece):
    with ImageFile.Parser() as parser:
        for start in range(0, len(data), piece):
            parser.feed(data[start : start + piece])
    assert_pixels(parser.close(), rgb)


def test_parser_with_too_little(data):
    parser = ImageFile.Parser()
    parser.feed(data[:-1])
    with pytest.raises(OSError, match="cannot parse"):
        parser.close()


def test_verify(path, data):
    with Image.open(path) as image:
        image.verify()
    with Image.open(path) as image:
        path.write_bytes(data[:-1] + b"?")  # damage since it was opened
        with pytest.raises(SdzError, match="checksum"):
            image.verify()
    path.write_bytes(data)
    with Image.open(path) as image:
        image.load()
        with pytest.raises(RuntimeError):
            image.verify()
    stream = io.BytesIO(data)
    Image.open(stream).verify()
    assert not stream.closed


def test_verify_decodes_the_integers():
    """Checksums are right, but an index is beyond the palette's end: only decoding shows it."""
    body = sample_files.layer_body([[0] * 3, [1] * 3, [2] * 3], bytes([0b11_00_00_00]))
    head = sample_files.header(mode="RGB", layer_count=1, channels=3)
    data = container.build(container.Container(head, [body]))
    with pytest.raises(SdzError, match="ind"):
        opened(data).verify()


def test_verify_without_the_models_palette():
    """A palette by number of a model that is not installed does not make a file damaged."""
    from pillow_sdz.coding.boxes import LAYER_HEAD, PALETTE_BY_NUMBER, build_box

    coding = {"palette": PALETTE_BY_NUMBER, "indices": 0}
    body = build_box(LAYER_HEAD, last_entry=1, coding=coding, palette_number=5, palette_length=None) + b"\x40"
    head = sample_files.header(mode="RGB", layer_count=1, channels=3)
    image = opened(container.build(container.Container(head, [body])))
    assert image.info["colors"] == (2,)
    image.verify()
    residual = build_box(
        LAYER_HEAD, last_entry=1, coding={"palette": 0, "indices": 15}, palette_number=None, palette_length=6
    )
    head = sample_files.header(mode="RGB", layer_count=2, channels=3)
    image = opened(container.build(container.Container(head, [body, residual + bytes([128] * 6)])))
    with pytest.raises(SdzError, match="layer 2, indices coding: "):
        image.verify()


def test_errors_of_models_name_the_file(data, toy):
    image = opened(data)
    toy.failure = errors.SdzModelError("no such model")
    with pytest.raises(errors.SdzModelError, match=r"^<stream>: no such model"):
        image.load()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_files_of_wild_bodies_with_right_checksums(draws):
    """Whatever the sections hold: an `SdzError` or a picture, nothing else."""
    valid = toy_codec.encode(toy_codec.blocks(20, 12), np.full((12, 20), 3, np.uint8), "RGBA", metadata=RICH, layers=2)
    sections = sample_files.sections_of(valid)
    which = draws.draw(st.integers(0, len(sections) - 1))
    kind, body = sections[which]
    at = draws.draw(st.integers(0, len(body)))
    body = body[:at] + draws.draw(st.binary(max_size=6)) + body[at + draws.draw(st.integers(0, 6)) :]
    sections[which] = kind, body
    data = sample_files.assemble(valid[: container.HEADER_BYTES], *sections)
    for act in (Image.Image.load, Image.Image.verify, lambda image: image.thumbnail((1, 1))):
        try:
            image = opened(data)
            act(image)
        except SdzError as error:
            assert "<stream>" in str(error)  # noqa: PT017


def layered(rgb):
    """A file of two layers, and the same cut within the second."""
    data = toy_codec.encode(rgb, None, "RGB", layers=2)
    return data, data[:-10]


def test_layers(rgb):
    data, cut = layered(rgb)
    image = opened(data)
    assert image.info["layers"] == 2
    assert_pixels(image, rgb)
    with pytest.raises(errors.SdzTruncatedError):
        opened(cut)


def test_truncated_files_on_request(rgb, monkeypatch):
    _, cut = layered(rgb)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    image = opened(cut)
    assert image.info["layers"] == 1
    assert len(image.info["colors"]) == 1
    with pytest.warns(UserWarning, match="1 of 2 layers"):
        assert_pixels(image, rgb & 0xC0 | 0x20)
    image = opened(cut)
    with pytest.raises(errors.SdzTruncatedError):
        image.verify()
    with pytest.raises(SdzError):  # not a single layer
        opened(toy_codec.encode(rgb, None, "RGB")[:-10])


def test_parser_of_a_truncated_file_on_request(rgb, monkeypatch):
    data, cut = layered(rgb)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with ImageFile.Parser() as parser:  # whole: no warning, though half of it once looked truncated
        for start in range(0, len(data), 20):
            parser.feed(data[start : start + 20])
    assert_pixels(parser.close(), rgb)
    parser = ImageFile.Parser()
    parser.feed(cut)
    with pytest.warns(UserWarning, match="1 of 2 layers"):
        parser.close()


def test_settings_of_the_process_and_of_the_image(data, toy, monkeypatch):
    for name in ("steps", "strength", "device", "tile_size", "dtype"):
        monkeypatch.setattr(pillow_sdz.options.decode, name, None)
    opened(data).load()
    pillow_sdz.options.decode.steps = 3
    pillow_sdz.options.decode.strength = 0.5
    pillow_sdz.options.decode.device = "cpu"
    pillow_sdz.options.decode.tile_size = 256
    opened(data).load()
    image = opened(data)
    image.steps, image.strength, image.dtype = 0, 0.25, "bfloat16"
    image.load()
    nothing = {"file": "<stream>", "steps": None, "strength": None, "device": None, "tile": None, "dtype": None}
    process = nothing | {"steps": 3, "strength": 0.5, "device": "cpu", "tile": 256}
    assert toy.decoded == [nothing, process, process | {"steps": 0, "strength": 0.25, "dtype": "bfloat16"}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", -1),
        ("steps", 256),
        ("steps", 1.5),
        ("steps", True),
        ("device", "gpu"),
        ("device", 0),
        ("tile_size", 63),
        ("tile_size", 65536),
        ("dtype", "int8"),
    ],
)
def test_wrong_settings(data, name, value):
    for target in (opened(data), pillow_sdz.options.decode):
        with pytest.raises(SdzOptionError, match=name):
            setattr(target, name, value)
        assert getattr(target, name) is None


def test_misspelt_settings():
    with pytest.raises(AttributeError):
        pillow_sdz.options.decode.step = 1
