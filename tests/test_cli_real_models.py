"""The command on real models and pictures: the cat is a cat, the kites are kites, the bird is where it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from oracle import Oracle
from shared_models import MODELS, SHARED, needs_shared
from subgraft.cli import images, main
from subgraft.interpreter import Model

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
pytestmark = needs_shared

MOBILENET = MODELS / "real" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
COCO_SSD = MODELS / "real" / "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"
DEEPLAB = MODELS / "real" / "deeplabv3_mnv2_dm05_pascal_quant.tflite"
PICTURES = SHARED / "images"
BIRD = 3  # PASCAL VOC's class


def test_the_cat_is_a_cat(capsys: pytest.CaptureFixture[str]) -> None:
    labels = str(PICTURES / "imagenet_labels.txt")
    assert main(["run", str(MOBILENET), "--image", str(PICTURES / "cat.bmp"), "--labels", labels, "--json"]) == 0
    best = json.loads(capsys.readouterr().out)["answer"]["best"]
    assert len(best) == 5
    assert best[0]["label"].split(",")[0] in ("tabby", "tiger cat", "Egyptian cat")
    assert best[0]["score"] > best[1]["score"]


def test_labels_packed_with_the_model_are_used_without_being_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(MOBILENET), "--image", str(PICTURES / "cat.bmp"), "--top", "1"]) == 0
    assert "Egyptian cat" in capsys.readouterr().out.splitlines()[1]


def test_kites_and_persons_are_found_where_the_oracle_finds_them(
    oracle: Oracle, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, labels = PICTURES / "kite_and_cold.jpg", PICTURES / "coco_labels.txt"
    assert main(["run", str(COCO_SSD), "--image", str(picture), "--labels", str(labels), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)["answer"]
    graph = Model.open(COCO_SSD).graphs[0]
    given = images.encode(images.open_picture(picture), graph.tensors[graph.inputs[0]])
    boxes, classes, scores, count = oracle.run(COCO_SSD, given).outputs
    assert answer["kind"] == "detection"
    assert len(answer["boxes"]) == int(count[0])
    assert [box["class"] for box in answer["boxes"]] == classes[0].tolist()
    assert [box["score"] for box in answer["boxes"]] == scores[0].tolist()
    assert np.array_equal(np.array([box["box"] for box in answer["boxes"]]), boxes[0].astype(float))
    assert {box["label"] for box in answer["boxes"]} == {"kite", "person"}


def test_the_bird_is_where_the_mask_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture, labels = PICTURES / "bird_segmentation.bmp", PICTURES / "pascal_voc_segmentation_labels.txt"
    arguments = ["run", str(DEEPLAB), "--image", str(picture), "--labels", str(labels), "--output", str(tmp_path)]
    assert main(arguments) == 0
    assert "bird" in capsys.readouterr().out
    found = np.asarray(Image.open(tmp_path / "classes.png")) == BIRD
    true = np.asarray(Image.open(PICTURES / "bird_segmentation_mask.bmp")) == BIRD
    assert (found & true).sum() / (found | true).sum() >= 0.7


@pytest.mark.parametrize(
    "model", sorted((MODELS / "real").glob("*.tflite")) if MODELS.is_dir() else [], ids=lambda p: p.stem
)
def test_every_real_model_can_be_inspected(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(model), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert all(op["kind"] for graph in facts["graphs"] for op in graph["ops"])
    assert main(["inspect", str(model)]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100
