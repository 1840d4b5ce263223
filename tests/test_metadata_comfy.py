"""ComfyUI: from the saved picture over the positive input to the text, whatever stands between."""

import json
from typing import Any

import pytest
from metadata_files import NEGATIVE, PROMPT, graph, jpeg_comment, with_texts

from unprompt.index.metadata.picture_metadata import read_metadata
from unprompt.index.metadata.written import Lora, WrittenPrompt


def written(nodes: dict[str, Any], **more: Any) -> WrittenPrompt:
    found = read_metadata(with_texts({"prompt": nodes, **more}))
    assert found is not None
    return found


def prompt_of(positive: Any, **nodes: Any) -> str:
    return written(graph(positive, **nodes)).prompt


def test_a_plain_graph() -> None:
    assert written(graph(["6", 0])) == WrittenPrompt(
        PROMPT, NEGATIVE, "ComfyUI", "sd2.ckpt", (), 5, "euler", 20, 7.0, (64, 96)
    )


ENCODERS = [
    ({"kind": "CLIPTextEncodeSDXL", "text_g": "a fox", "text_l": "red"}, "a fox\nred"),
    ({"kind": "CLIPTextEncodeFlux", "clip_l": "a fox", "t5xxl": "a red fox", "guidance": 3.5},
     "a fox\na red fox"),
    ({"kind": "CLIPTextEncodeFlux", "clip_l": "a fox", "t5xxl": "a fox"}, "a fox"),
    ({"kind": "TextEncodeQwenImageEditPlus", "prompt": "a fox", "image1": ["5", 0]}, "a fox"),
    ({"kind": "CLIPTextEncodeLumina2", "system_prompt": "superior", "user_prompt": "a fox"},
     "a fox"),
    ({"kind": "Efficient Loader", "positive": "a fox", "negative": "dog"}, "a fox"),
    ({"kind": "SDXLPromptStyler", "text_positive": "a fox", "text_negative": "dog"}, "a fox"),
    ({"kind": "ImpactWildcardEncode", "wildcard_text": "__a__", "populated_text": "a fox"},
     "a fox"),
    ({"kind": "CLIPTextEncode", "text": ["20", 0], "clip": ["4", 1]}, "from a primitive"),
    ({"kind": "ConditioningCombine", "conditioning_1": ["6", 0], "conditioning_2": ["21", 0]},
     f"{PROMPT}\nmist"),
    ({"kind": "FluxGuidance", "guidance": 3.5, "conditioning": ["6", 0]}, PROMPT),
    ({"kind": "ControlNetApplyAdvanced", "positive": ["6", 0], "negative": ["7", 0]}, PROMPT),
    ({"kind": "ReferenceLatent", "latent": ["3", 0], "conditioning": ["6", 0]}, PROMPT),
    ({"kind": "Reroute", "": ["6", 0]}, PROMPT),
    ({"kind": "TextEncode", "positive_prompt": "a fox", "negative_prompt": "dog"}, "a fox"),
    ({"kind": "ConditioningSetTimestepRange", "conditioning": ["6", 0], "start": 0}, PROMPT),
    ({"kind": "ConditioningConcat", "conditioning_to": ["6", 0], "conditioning_from": ["21", 0]},
     f"{PROMPT}\nmist"),
]  # fmt: skip


@pytest.mark.parametrize("node,prompt", ENCODERS, ids=lambda value: str(value)[:40])
def test_encoders_and_what_stands_before_them(node: dict[str, Any], prompt: str) -> None:
    primitive = {"kind": "PrimitiveString", "value": "from a primitive"}
    mist = {"kind": "CLIPTextEncode", "text": "mist"}
    more = {"10": dict(node), "20": primitive, "21": mist}
    assert prompt_of(["10", 0], **more) == prompt


STRINGS = [
    ({"kind": "String Literal", "string": "a fox"}, "a fox"),
    ({"kind": "StringConcatenate", "string_a": ["21", 0], "string_b": "night", "delimiter": " at "},
     "mist at night"),
    ({"kind": "JoinStrings", "string1": "a", "string2": ["21", 0], "delimiter": "\\n"}, "a\nmist"),
    ({"kind": "Text Concatenate", "delimiter": ", ", "text_a": "a", "text_b": ["21", 0],
      "text_c": ""}, "a, mist"),
    ({"kind": "StringReplace", "string": ["21", 0], "find": "mist", "replace": "fog"}, "fog"),
    ({"kind": "ImpactSwitch", "select": 2, "input1": "a", "input2": ["21", 0]}, "mist"),
    ({"kind": "Switch", "boolean": False, "on_true": "a", "on_false": ["21", 0]}, "mist"),
    ({"kind": "CR Text Input Switch", "Input": 1, "text1": "a", "text2": "b"}, "a"),
    ({"kind": "ShowText|pysssss", "text": ["21", 0], "text_0": "mist"}, "mist"),
    ({"kind": "Anything", "any_01": ["21", 0]}, "mist"),
    ({"kind": "easy showAnything", "text": ["mist, at last"]}, "mist, at last"),
    ({"kind": "easy positive", "positive": "a fox"}, "a fox"),
]  # fmt: skip


@pytest.mark.parametrize("node,prompt", STRINGS, ids=lambda value: str(value)[:40])
def test_strings(node: dict[str, Any], prompt: str) -> None:
    more = {"10": {"kind": "CLIPTextEncode", "text": ["20", 0]}, "20": dict(node),
            "21": {"kind": "PrimitiveStringMultiline", "value": "mist"}}  # fmt: skip
    assert prompt_of(["10", 0], **more) == prompt


def test_the_negative_prompt_is_never_taken_for_the_prompt() -> None:
    zeroed = graph(["6", 0], **{"30": {"kind": "ConditioningZeroOut", "conditioning": ["6", 0]}})
    zeroed["3"]["inputs"]["negative"] = ["30", 0]
    assert written(zeroed).negative_prompt == ""
    crossed = graph(["10", 0], **{"10": {"kind": "ControlNetApplyAdvanced", "positive": ["6", 0],
                                         "negative": ["7", 0]}})  # fmt: skip
    crossed["3"]["inputs"]["negative"] = ["10", 1]
    found = written(crossed)
    assert (found.prompt, found.negative_prompt) == (PROMPT, NEGATIVE)
    for value in (None, "", [], ["99", 0], {"a": 1}, 7):
        assert read_metadata(with_texts({"prompt": graph(value)})) is None


def test_custom_samplers_with_guiders() -> None:
    nodes = graph(["6", 0], **{
        "13": {"kind": "SamplerCustomAdvanced", "noise": ["25", 0], "guider": ["22", 0],
               "sampler": ["16", 0], "sigmas": ["17", 0], "latent_image": ["5", 0]},
        "16": {"kind": "KSamplerSelect", "sampler_name": "heun"},
        "17": {"kind": "BasicScheduler", "scheduler": "simple", "steps": 4, "model": ["4", 0]},
        "22": {"kind": "BasicGuider", "model": ["40", 0], "conditioning": ["26", 0]},
        "25": {"kind": "RandomNoise", "noise_seed": 11},
        "26": {"kind": "FluxGuidance", "guidance": 3.5, "conditioning": ["6", 0]},
        "40": {"kind": "LoraLoaderModelOnly", "lora_name": "l", "strength_model": 0.5,
               "model": ["4", 0]},
    })  # fmt: skip
    del nodes["3"]
    nodes["8"]["inputs"]["samples"] = ["13", 0]
    assert written(nodes) == WrittenPrompt(
        PROMPT, "", "ComfyUI", "sd2.ckpt", (Lora("l", 0.5),), 11, "heun", 4, 3.5, (64, 96)
    )
    nodes["22"] = {"class_type": "CFGGuider", "inputs": {"positive": ["6", 0], "negative": ["7", 0],
                                                         "cfg": 4}}  # fmt: skip
    found = written(nodes)
    assert (found.prompt, found.negative_prompt, found.guidance) == (PROMPT, NEGATIVE, 4.0)


def test_samplers_of_videos_take_both_texts_at_once() -> None:
    nodes = graph(None, **{"10": {"kind": "WanVideoTextEncode", "positive_prompt": "a fox",
                                  "negative_prompt": "dog"}})  # fmt: skip
    nodes["3"]["inputs"] = {"text_embeds": ["10", 0], "seed": 1, "model": ["4", 0]}
    found = written(nodes)
    assert (found.prompt, found.negative_prompt) == ("a fox", "dog")
    nodes["10"]["inputs"] = {"prompt": "a fox"}
    found = written(nodes)
    assert (found.prompt, found.negative_prompt) == ("a fox", "")


def test_only_what_made_the_saved_picture_counts() -> None:
    second = {"kind": "KSampler", "seed": 9, "steps": 3, "cfg": 2, "positive": ["31", 0],
              "negative": ["7", 0], "latent_image": ["5", 0]}  # fmt: skip
    other = {"kind": "CLIPTextEncode", "text": "another picture"}
    aside = graph(["6", 0], **{"30": dict(second), "31": dict(other)})
    assert written(aside).prompt == PROMPT
    refined = graph(["6", 0], **{"30": second | {"latent_image": ["3", 0]}, "31": dict(other)})
    refined["8"]["inputs"]["samples"] = ["30", 0]
    found = written(refined)
    assert (found.prompt, found.seed) == (f"{PROMPT}\nanother picture", 5), "the first pass leads"
    refined["31"]["inputs"]["text"] = PROMPT
    assert written(refined).prompt == PROMPT


def test_loras_of_loaders_and_of_a_power_loader() -> None:
    nodes = graph(["6", 0], **{
        "40": {"kind": "LoraLoader", "lora_name": "a", "strength_model": 0.5, "model": ["41", 0]},
        "41": {"kind": "Power Lora Loader (rgthree)", "model": ["4", 0],
               "lora_1": {"on": True, "lora": "b", "strength": 1},
               "lora_2": {"on": False, "lora": "c"}},
    })  # fmt: skip
    nodes["3"]["inputs"]["model"] = ["40", 0]
    assert written(nodes).loras == (Lora("a", 0.5), Lora("b", 1.0))


def test_pipes_and_services_without_a_sampler() -> None:
    pipe = {"1": {"class_type": "easy fullLoader", "inputs": {"ckpt_name": "m", "positive": "a fox",
                                                              "negative": "dog"}},
            "2": {"class_type": "easy kSampler", "inputs": {"pipe": ["1", 0], "steps": 3}},
            "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}}}  # fmt: skip
    found = written(pipe)
    assert (found.prompt, found.negative_prompt) == ("a fox", "dog")
    service = {"1": {"class_type": "IdeogramV3", "inputs": {"prompt": "a fox", "seed": 3}},
               "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}}  # fmt: skip
    found = written(service)
    assert (found.prompt, found.seed) == ("a fox", 3)


def test_ids_cycles_and_numbers_that_are_none() -> None:
    text = json.dumps(graph(["57:6", 0], **{"57:6": {"kind": "CLIPTextEncode", "text": "a fox"}}))
    text = text.replace('"seed": 5', '"seed": NaN').replace('"cfg": 7.0', '"cfg": -Infinity')
    found = read_metadata(with_texts({"prompt": text}))
    assert found is not None and (found.prompt, found.seed, found.guidance) == ("a fox", None, None)
    cycle = {"10": {"kind": "CLIPTextEncode", "text": ["11", 0], "clip": ["10", 0]},
             "11": {"kind": "Concat", "text_a": "a fox", "text_b": ["11", 0], "text_c": ["12", 0]},
             "12": {"kind": "Show", "text": ["11", 0]}}  # fmt: skip
    assert prompt_of(["10", 0], **cycle) == "a fox"
    assert prompt_of([6, 0]) == PROMPT, "links with numbers for ids"


def test_graphs_in_other_wrappings() -> None:
    nodes = graph(["6", 0])
    wrapped = json.dumps({"prompt": json.dumps(nodes), "workflow": "{}"}).encode()
    for content in (
        jpeg_comment(b"ASCII\0\0\0" + wrapped),
        jpeg_comment(json.dumps(nodes).encode()),
        with_texts({"prompt": json.dumps(json.dumps(nodes))}),
        with_texts({"prompt": {"client_id": "x", "prompt": nodes}}),
    ):
        found = read_metadata(content)
        assert found is not None and (found.prompt, found.generator) == (PROMPT, "ComfyUI")
    for kind in ("prompt", "Prompt"):
        found = read_metadata(jpeg_comment(f"{kind}:{json.dumps(nodes)}".encode()))
        assert found is not None and found.prompt == PROMPT
    extra = {"prompt": "a fox", "negativePrompt": "dog", "cfgScale": 7, "steps": 20, "seed": 3}
    found = read_metadata(jpeg_comment(json.dumps({"extraMetadata": json.dumps(extra)}).encode()))
    assert found is not None and (found.prompt, found.negative_prompt) == ("a fox", "dog")


def test_a_workflow_alone() -> None:
    def node(id: int, type: str, values: Any, **inputs: int) -> dict[str, Any]:
        listed = [{"name": name, "link": link} for name, link in inputs.items()]
        return {"id": id, "type": type, "mode": 0, "widgets_values": values, "inputs": listed}

    nodes = [
        node(3, "KSampler", [5, "randomize", 20, 7, "euler", "normal", 1], model=1, positive=2,
             negative=3, latent_image=4),
        node(4, "CheckpointLoaderSimple", ["m.ckpt"]), node(5, "EmptyLatentImage", [64, 96, 1]),
        node(6, "CLIPTextEncode", [PROMPT]), node(7, "CLIPTextEncode", [NEGATIVE]),
        node(8, "VAEDecode", [], samples=5), node(9, "SaveImage", ["x"], images=6),
    ]  # fmt: skip
    links = [[1, 4, 0, 3, 0, "MODEL"], [2, 6, 0, 3, 1, "C"], [3, 7, 0, 3, 2, "C"],
             {"id": 4, "origin_id": 5, "origin_slot": 0, "target_id": 3}, [5, 3, 0, 8, 0, "L"],
             [6, 8, 0, 9, 0, "I"]]  # fmt: skip
    whole = {"nodes": nodes, "links": links}
    found = read_metadata(with_texts({"comment": {"workflow": whole, "prompt": {}}}))
    assert found is not None and found.prompt == PROMPT
    found = read_metadata(
        with_texts({"prompt": "{cut", "workflow": {"nodes": nodes, "links": links}})
    )
    assert found == WrittenPrompt(
        PROMPT, NEGATIVE, "ComfyUI", "m.ckpt", (), 5, "euler", 20, 7.0, (64, 96)
    )
