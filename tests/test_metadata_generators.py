"""Prompts and settings of each generator, as it writes them; a faulty field costs that field."""

import json
from typing import Any

import pytest
from metadata_files import (
    NEGATIVE,
    PARAMETERS,
    PROMPT,
    SETTINGS,
    SOFTWARE,
    USER_COMMENT,
    exif,
    jpeg,
    jpeg_comment,
    png,
    text_chunk,
    with_texts,
    xmp,
)

from unprompt.index.metadata.generators.settings_text import parse_pairs, split_settings
from unprompt.index.metadata.picture_metadata import read_metadata
from unprompt.index.metadata.written import Lora, WrittenPrompt, as_seed, as_size


def written(texts: dict[str, Any]) -> WrittenPrompt:
    found = read_metadata(with_texts(texts))
    assert found is not None
    return found


def test_automatic1111() -> None:
    assert written({"parameters": PARAMETERS}) == WrittenPrompt(
        PROMPT, NEGATIVE, "AUTOMATIC1111", "sd2", (), 1234, "Euler a", 20, 7.0, (64, 96)
    )


@pytest.mark.parametrize("text,prompt,negative", [
    (f"a\nb\n\nc\nNegative prompt: x,\ny\n{SETTINGS}", "a\nb\n\nc", "x,\ny"),
    (f"a\r\nNegative prompt: x\r\n{SETTINGS}", "a", "x"),
    (f"Steps: up, to the Seed: of life\nNegative prompt: x\n{SETTINGS}",
     "Steps: up, to the Seed: of life", "x"),
    (f"Steps: 3 of them\n{SETTINGS}\nTemplate: a {{b|c}}\nNegative Template: d",
     "Steps: 3 of them", ""),
    (f'a\n{SETTINGS}, Note: "b\nNegative prompt: c", Version: v1', "a", ""),
    ("a fox on the moor", "a fox on the moor", ""),
    ("a fox\nNegative prompt: dog", "a fox", "dog"),
    ("İstanbul\nNEGATIVE PROMPT: dog\nSteps:3,Seed:4,Sampler:x", "İstanbul", "dog"),
    (f"a fox Negative prompt: dog {SETTINGS}", "a fox", "dog"),
    ("a\nSampler: Euler, Seed: 1, Size: 8x8, Steps: 3", "a", ""),
    ("{red|blue} fox, {{best}}\nNegative prompt: x\n" + SETTINGS, "{red|blue} fox, {{best}}", "x"),
])  # fmt: skip
def test_settings_texts(text: str, prompt: str, negative: str) -> None:
    found = written({"parameters": text})
    assert (found.prompt, found.negative_prompt) == (prompt, negative)


def test_pairs_with_quotes_objects_and_faults() -> None:
    text = 'Steps: 20, A: "x, \\"y\\": z", B: [{"type":"lora"}], C: [1, D: "open, E: 2, F:, G: 3'
    found = parse_pairs(text)
    assert found["a"] == 'x, "y": z' and found["b"] == [{"type": "lora"}]
    assert found["steps"] == "20" and found["e"] == "2" and found["g"] == "3" and found["f"] == ""
    assert split_settings("").prompt == "" and not split_settings("no settings").found


@pytest.mark.parametrize("more,name", [
    ("Version: v1.9.0", "AUTOMATIC1111"), ("Version: f2.0.1v1.10", "Forge"),
    ("Version: stable-diffusion.cpp", "stable-diffusion.cpp"), ("Version: Fooocus v2.5", "Fooocus"),
    ("Version: ComfyUI", "ComfyUI"), ('Civitai resources: [{"type":"checkpoint"}]', "Civitai"),
    ("App: SD.Next", "SD.Next"),
])  # fmt: skip
def test_relatives_of_automatic1111(more: str, name: str) -> None:
    assert written({"parameters": f"{PARAMETERS}, {more}"}).generator == name


def test_loras_and_distilled_guidance() -> None:
    resources = json.dumps([{"type": "lora", "modelName": "moss", "weight": 0.5},
                            {"type": "checkpoint", "modelName": "base"}])  # fmt: skip
    text = (
        "fox <lora:brass:0.8> <lora:old>\nSteps: 4, CFG scale: 1, Distilled CFG Scale: 3.5, "
        f'Lora hashes: "brass: 12, ice: 34", Civitai resources: {resources}'
    )
    found = written({"parameters": text})
    assert found.loras == (Lora("moss", 0.5), Lora("brass", 0.8), Lora("ice"), Lora("old"))
    assert found.guidance == 3.5 and found.model == "base"


INVOKE = {"positive_prompt": PROMPT, "negative_prompt": NEGATIVE, "seed": 7, "steps": 30,
          "cfg_scale": 7.5, "scheduler": "euler", "width": 64, "height": 96,
          "model": {"name": "m"}, "loras": [{"model": {"name": "l"}, "weight": 0.5}]}  # fmt: skip
FIELDS = ("sampler", "seed", "steps", "guidance", "size", "model", "loras")


def test_invokeai_3_to_5() -> None:
    found = written({"invokeai_metadata": INVOKE})
    assert found == WrittenPrompt(PROMPT, NEGATIVE, "InvokeAI", "m", (Lora("l", 0.5),), 7, "euler",
                                  30, 7.5, (64, 96))  # fmt: skip
    old = INVOKE | {"model": {"model_name": "m"}, "loras": [{"lora": {"model_name": "l"}}],
                    "positive_style_prompt": "oil on linen"}  # fmt: skip
    found = written({"invokeai_metadata": old})
    assert (found.prompt, found.model) == (f"{PROMPT}\noil on linen", "m")
    graph = {"nodes": {"a": {"type": "noise"}, "b": INVOKE | {"type": "core_metadata"}}}
    assert written({"invokeai_graph": graph}).prompt == PROMPT


@pytest.mark.parametrize("value", [None, [], {}, "x", 1e400, True, [[]], -1, "9" * 5000])
@pytest.mark.parametrize("name", [name for name in INVOKE if name != "positive_prompt"])
def test_a_faulty_field_costs_that_field(name: str, value: Any) -> None:
    found = written({"invokeai_metadata": INVOKE | {name: value}})
    whole = written({"invokeai_metadata": INVOKE})
    assert found.prompt == PROMPT
    assert sum(getattr(found, one) != getattr(whole, one) for one in FIELDS) <= 1


def test_invokeai_2_and_1() -> None:
    image = {"prompt": [{"prompt": "a fox [blurry] at night", "weight": 1}], "steps": 3, "seed": 4,
             "sampler": "k_lms", "cfg_scale": 7.5}  # fmt: skip
    found = written({"sd-metadata": {"model_weights": "sd15", "image": image}})
    assert (found.prompt, found.negative_prompt) == ("a fox  at night", "blurry")
    assert (found.model, found.seed, found.sampler) == ("sd15", 4, "k_lms")
    found = written({"sd-metadata": {"image": {"prompt": "a fox"}}})
    assert found.prompt == "a fox"
    for text in ('"a "red" fox [dog]" -s 50 -S 1 -W 64 -H 96 -C 7.5 -A k_lms',
                 '"a "red" fox [dog]" -s50 -S1 -W64 -H96 -C7.5 -Ak_lms'):  # fmt: skip
        found = written({"Dream": text})
        assert (found.prompt, found.negative_prompt) == ('a "red" fox', "dog")
        assert found.steps == 50 and found.size == (64, 96) and found.sampler == "k_lms"
    found = written({"Dream": r'"a \"red\" - fox" -s 50'})
    assert (found.prompt, found.steps) == ('a "red" - fox', 50)
    assert written({"Dream": "a fox -s 5"}).prompt == "a fox"
    assert written({"Dream": '"a fox'}).prompt == "a fox"


def novelai(**comment: Any) -> dict[str, Any]:
    return {"Title": "NovelAI generated image", "Description": PROMPT, "Software": "NovelAI",
            "Source": "NovelAI Diffusion V4", "Comment": comment}  # fmt: skip


def test_novelai() -> None:
    found = written(novelai(prompt=PROMPT, uc=NEGATIVE, steps=28, sampler="k_euler", seed=1,
                            scale=5.0, width=64, height=96))  # fmt: skip
    assert found == WrittenPrompt(PROMPT, NEGATIVE, "NovelAI", "NovelAI Diffusion V4", (), 1,
                                  "k_euler", 28, 5.0, (64, 96))  # fmt: skip
    assert written(novelai(steps=28)).prompt == PROMPT, "from the description"
    assert written(novelai() | {"Comment": "{cut"}).prompt == PROMPT


def test_novelai_4_with_characters_also_packed_into_a_user_comment() -> None:
    def caption(base: str, *characters: str) -> dict[str, Any]:
        listed = [{"char_caption": one, "centers": [{"x": 0, "y": 0}]} for one in characters]
        return {"caption": {"base_caption": base, "char_captions": listed}}

    texts = novelai(prompt="two girls", v4_prompt=caption("two girls", "girl, red", "girl, blue"),
                    v4_negative_prompt=caption("blurry", "hat"), uc="blurry")  # fmt: skip
    found = written(texts)
    assert found.prompt == "two girls\ngirl, red\ngirl, blue"
    assert found.negative_prompt == "blurry\nhat"
    packed = texts | {"Comment": json.dumps(texts["Comment"])}
    assert read_metadata(jpeg_comment(b"ASCII\0\0\0" + json.dumps(packed).encode())) == found


def test_fooocus() -> None:
    values = {"metadata_scheme": "fooocus", "prompt": "a fox", "negative_prompt": "",
              "full_prompt": ["a fox", "cinematic"], "full_negative_prompt": ["", "dog"],
              "base_model": "jx", "resolution": "(64, 96)", "seed": "8", "steps": 30,
              "guidance_scale": 4, "sampler": "dpm", "loras": [["l.safetensors", 0.5, "hash"]],
              "lora_combined_1": "k.safetensors : 0.1"}  # fmt: skip
    found = written({"parameters": values, "fooocus_scheme": "fooocus"})
    assert found == WrittenPrompt("a fox", "dog", "Fooocus", "jx",
                                  (Lora("l.safetensors", 0.5), Lora("k.safetensors", 0.1)), 8,
                                  "dpm", 30, 4.0, (64, 96))  # fmt: skip
    assert written({"parameters": values | {"prompt": ""}}).prompt == "a fox\ncinematic"
    ruined = {"Prompt": "a fox", "Negative": "dog", "software": "RuinedFooocus", "steps": 3}
    found = written({"parameters": ruined})
    assert (found.generator, found.negative_prompt) == ("RuinedFooocus", "dog")


def test_swarmui() -> None:
    values = {"prompt": "a fox", "negativeprompt": "dog", "model": "m", "seed": 1, "steps": 20,
              "cfgscale": 7.0, "width": 64, "height": 96, "sampler": "euler", "loras": ["l", "k"],
              "loraweights": ["0.5"]}  # fmt: skip
    found = written({"parameters": {"sui_image_params": values, "sui_extra_data": {}}})
    assert found == WrittenPrompt("a fox", "dog", "SwarmUI", "m", (Lora("l", 0.5), Lora("k")), 1,
                                  "euler", 20, 7.0, (64, 96))  # fmt: skip


def test_easy_diffusion_as_texts_and_as_json() -> None:
    values = {"prompt": "a fox", "negative_prompt": "dog", "seed": "1", "num_inference_steps": "25",
              "guidance_scale": "7.5", "sampler_name": "euler_a", "width": "64", "height": "96",
              "use_stable_diffusion_model": "m", "use_lora_model": "l",
              "lora_alpha": "0.5"}  # fmt: skip
    expected = WrittenPrompt("a fox", "dog", "Easy Diffusion", "m", (Lora("l", 0.5),), 1,
                             "euler_a", 25, 7.5, (64, 96))  # fmt: skip
    assert written(values) == expected
    comment = b"UNICODE\0" + json.dumps(values).encode("utf-16-be")
    assert read_metadata(jpeg_comment(comment)) == expected


def test_draw_things() -> None:
    values = json.dumps({"c": "a fox", "uc": "dog", "model": "m.ckpt", "seed": 1, "size": "64x96",
                         "steps": 20, "scale": 7, "sampler": "DPM", "v2": {},
                         "lora": [{"model": "l", "weight": 0.5}]})  # fmt: skip
    values = values.replace('"', "&quot;")
    tool = "<xmp:CreatorTool>Draw Things</xmp:CreatorTool>"
    packet = xmp(
        f"{tool}<exif:UserComment><rdf:Alt><rdf:li>{values}</rdf:li></rdf:Alt></exif:UserComment>"
    )
    found = read_metadata(png(text_chunk("XML:com.adobe.xmp", packet, b"iTXt")))
    assert found == WrittenPrompt("a fox", "dog", "Draw Things", "m.ckpt", (Lora("l", 0.5),), 1,
                                  "DPM", 20, 7.0, (64, 96))  # fmt: skip
    text = (
        "a fox\nin snow\n-dog\nSteps: 20, Sampler: DPM, Guidance Scale: 7.0, Seed: 1, Size: 64x96"
    )
    packet = xmp(f"{tool}<dc:description>{text}</dc:description>")
    found = read_metadata(png(text_chunk("XML:com.adobe.xmp", packet, b"iTXt")))
    assert found is not None and (found.prompt, found.negative_prompt) == ("a fox\nin snow", "dog")
    assert (found.guidance, found.size) == (7.0, (64, 96))


@pytest.mark.parametrize("text,prompt,negative", [
    ("a fox --ar 3:2 --v 6.1 Job ID: 0000-00", "a fox", ""),
    ("a fox -- at night --no dogs, cats --seed 7 --v 6", "a fox -- at night", "dogs, cats"),
    ("a fox Job ID: 0000-00", "a fox", ""),
    ("a well-known fox --niji 6 --style raw", "a well-known fox", ""),
])  # fmt: skip
def test_midjourney(text: str, prompt: str, negative: str) -> None:
    found = written({"Description": text, "Author": "someone"})
    assert (found.prompt, found.negative_prompt, found.generator) == (
        prompt,
        negative,
        "Midjourney",
    )
    described = xmp(f"<dc:description>{text}</dc:description>")
    again = read_metadata(jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + described)))
    assert again is not None and again.prompt == prompt


def test_mflux_and_horde() -> None:
    flux = {"mflux_version": "0.9", "model": "dev", "seed": 1, "steps": 4, "guidance": 3.5,
            "width": 64, "height": 96, "prompt": "a fox", "lora_paths": ["/a/l.safetensors"],
            "lora_scales": [0.5]}  # fmt: skip
    found = read_metadata(jpeg_comment(json.dumps(flux).encode()))
    assert found == WrittenPrompt("a fox", "", "mflux", "dev", (Lora("l.safetensors", 0.5),), 1,
                                  None, 4, 3.5, (64, 96))  # fmt: skip
    horde = {"prompt": "a fox ### dog", "params": {"seed": "3", "steps": 20, "cfg_scale": 7,
             "sampler_name": "k_euler", "width": 64, "height": 96},
             "models": ["Deliberate"]}  # fmt: skip
    found = written({"parameters": horde})
    assert found == WrittenPrompt("a fox", "dog", "AI Horde", "Deliberate", (), 3, "k_euler", 20,
                                  7.0, (64, 96))  # fmt: skip


def test_programs_of_the_horde_write_settings_texts() -> None:
    text = "a fox ### dog\nSteps: 50, Sampler: k_euler, CFG scale: 5, Seed: 3,Size: 64x96, model: m"
    software = b"ArtBot - Create images with Stable Diffusion, utilizing the AI Horde\0"
    block = exif({SOFTWARE: software}, inner={USER_COMMENT: b"ASCII\0\0\0" + text.encode()})
    assert read_metadata(jpeg((0xE1, b"Exif\0\0" + block))) == WrittenPrompt(
        "a fox", "dog", "AI Horde", "m", (), 3, "k_euler", 50, 5.0, (64, 96)
    )


def test_the_prompt_of_iptc_and_bare_descriptions() -> None:
    packet = xmp("<xmp:AIPromptInformation>a fox</xmp:AIPromptInformation>"
                 "<xmp:AISystemUsed>Painter</xmp:AISystemUsed>")  # fmt: skip
    found = read_metadata(png(text_chunk("XML:com.adobe.xmp", packet, b"iTXt")))
    assert found is not None and (found.prompt, found.generator) == ("a fox", "Painter")
    assert written({"parameters": "a fox"}).prompt == "a fox"
    assert written({"Description": "a fox in snow"}).generator == "unknown"


def test_values_of_fields() -> None:
    assert as_seed("18446744073709551615") == 2**64 - 1 and as_seed(2**64) is None
    assert as_seed(True) is None and as_seed("0x10") is None and as_seed(5.0) == 5
    assert as_size("64x96") == as_size("(64, 96)") == as_size([64, "96"]) == (64, 96)
    assert as_size("64x0") is None and as_size("64") is None and as_size(64) is None


def test_json_of_a_written_prompt() -> None:
    values = written({"invokeai_metadata": INVOKE}).as_json()
    assert json.loads(json.dumps(values)) == values
    assert values["loras"] == [{"name": "l", "weight": 0.5}] and values["size"] == [64, 96]
