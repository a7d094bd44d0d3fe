"""From a file in any format to JSONL: the records that training reads are the same."""

import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.convert import FLAG, convert
from mtt_jax.data.readers import read_file
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from mtt_jax.tasks import Classes, Entities, Multilabel, Tags


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def objects(path, word=0, header=None, **fields):
    return convert(path, Layout("auto", header, word, FLAG), TaskDataConfig(**fields)).objects


def records(path, task, **fields):
    """The records that training reads, without their places."""
    found = read_file(str(path), task, DataConfig(), TaskDataConfig(**fields), "--train").records
    return [(record.text, record.labels) for record in found]


def converted(path, **fields):
    lines = [json.dumps(item, ensure_ascii=False) for item in objects(path, **fields)]
    return write(path.parent, "converted.jsonl", "".join(f"{line}\n" for line in lines))


NER, TOPIC, TOPICS, POS = (
    Entities("ner", ()), Classes("topic", ()), Multilabel("topics", ()), Tags("pos", ())
)  # fmt: skip

CONLLU = (
    "# sent_id = a\n# text = Mia didn't.\n"
    "1\tMia\tMia\tPROPN\t_\t_\t2\tnsubj\t_\tNER=B-PER\n"
    "2-3\tdidn't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n"
    "2\tdid\tdo\tAUX\t_\t_\t0\troot\t_\tNER=O\n"
    "3\tn't\tnot\tPART\t_\t_\t2\tadvmod\t_\tNER=O\n"
    "4\t.\t.\tPUNCT\t_\t_\t2\tpunct\t_\tNER=O\n"
)
WEBANNO = (
    "#FORMAT=WebAnno TSV 3.3\n#T_SP=x.NamedEntity|value\n\n\n#Text=😀 Mia Berg.\n"
    "1-1\t0-2\t😀\t_\t\n1-2\t3-6\tMia\tPER[1]\t\n1-3\t7-11\tBerg\tPER[1]\t\n1-4\t11-12\t.\t_\t\n"
)


@pytest.mark.parametrize(
    ("name", "text", "task", "fields"),
    [
        ("a.conll", "Mia NNP B-PER\nran VBD O\n\nOslo NNP B-LOC\n", NER, {}),
        ("a.conll", "Mia\tI-PER\nBo\tB-PER\nin O\n".replace(" ", "\t"), NER, {}),
        ("a.conll", "Mia\tS-PER\nEk\tO\nBo\tB-PER\nBerg\tE-PER\n", NER, {}),
        ("a.conll", "Hà Nội\tB-LOC\n10\u00a0000\tO\n", NER, {}),
        ("a.conll", "It\tO\nwas\tO\nMia\tperson-actor\n", NER, {}),
        ("a.conllu", CONLLU, NER, {}),
        ("a.conllu", CONLLU, POS, {}),
        ("a.tsv", WEBANNO, NER, {}),
        ("a.tsv", "#\turl [date]\n1\tUniversität\tB-ORG\tO\n2\tUlm\tI-ORG\tB-LOC\n", NER, {}),
        ("a.tsv", "1\tUni\tB-ORG\tO\n2\tUlm\tI-ORG\tB-LOC\n", NER, {"label": "inner"}),
        ("a.conll", "#begin document (x)\nMia NNP (PERSON)\nran VBD *\n#end document\n", NER, {}),
        ("a.csv", "Sentence #,Word,POS,Tag\nSentence: 1,Mia,NNP,B-per\n,ran,VBD,O\n", NER, {}),
        ("a.txt", "Mia/B-PER ran/O to/O\nOslo/B-LOC won/O\n", NER, {}),
        ("a.jsonl", '{"text": "Mia ran", "spans": [[0, 3, "PER"]], "id": 1}\n', NER, {}),
        ("a.jsonl", '{"tokens": ["Mia", "ran"], "ner_tags": [1, 0]}\n', NER,
         {"names": ("O", "B-PER")}),
        ("a.jsonl", '{"text": "😀 Mia", "entities": [[3, 6, "PER"]]}\n', NER,
         {"offsets": "utf-16"}),
        ("a.jsonl", '{"tokens": ["Mia", "ran"], "tags": ["PROPN", "VERB"]}\n', POS, {}),
        ("a.jsonl", '{"text": "Mia", "label": "news"}\n{"text": "Bo", "label": null}\n', TOPIC, {}),
        ("a.jsonl", '{"text": "Mia", "labels": ["a", "b"]}\n{"text": "Bo", "labels": []}\n', TOPICS,
         {}),
        ("a.jsonl", '{"text": "Mia", "label": 1}\n', TOPIC, {"names": ("news", "sports")}),
        ("a.csv", "title,text,label\nA,Mia ran,news\nB,Bo sat,sports\n", TOPIC, {}),
        ("a.csv", "title,body,kind\nA,Mia,news\nB,Bo,sports\n", TOPIC,
         {"text": "title,body", "label": "kind"}),
        ("a.csv", "news,Mia ran\nsports,Bo sat\n", TOPIC, {"label": "1"}),
        ("a.csv", "text,red,blue\nMia,1,0\nBo,1,1\n", TOPICS, {}),
        ("a.csv", "text,label\nMia,a|b\nBo,\n", TOPICS, {}),
        ("a.txt", "__label__news Mia ran\n__label__sports Bo sat\n", TOPIC, {}),
        ("a.json", '[{"text": "Mia", "cats": {"news": 1, "sports": 0}}]', TOPIC, {}),
    ],
)  # fmt: skip
def test_records_are_the_same(tmp_path, name, text, task, fields):
    path = write(tmp_path, name, text)
    before = records(path, task, **fields)
    assert before
    assert records(converted(path, **fields), task) == before


WORDS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="/|_\\"),
    min_size=1,
    max_size=6,
).filter(lambda word: word.strip() == word and not set(word) & set(" \t#\"*()[]<>;'-,."))
SENTENCES = st.lists(
    st.lists(st.tuples(WORDS, st.sampled_from(["", "PER", "LOC"])), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)
ANCHOR = [("Mia", "PER"), ("saw", ""), ("Oslo", "LOC")]


def as_conll(sentences):
    return "\n".join("".join(f"{w}\t{_tag(t)}\n" for w, t in s) for s in sentences)


def as_conllu(sentences):
    rest = "_\tX\t_\t_\t0\tdep\t_"
    return "\n".join(
        "".join(f"{i}\t{w}\t{rest}\tNER={_tag(t)}\n" for i, (w, t) in enumerate(s, start=1))
        for s in sentences
    )


def as_germeval(sentences):
    return "\n".join(
        "#\turl\n" + "".join(f"{i}\t{w}\t{_tag(t)}\tO\n" for i, (w, t) in enumerate(s, start=1))
        for s in sentences
    )


def as_ontonotes(sentences):
    return "#begin document (x)\n" + "\n".join(
        "".join(f"x 0 {i} {w} NN {f'({t})' if t else '*'}\n" for i, (w, t) in enumerate(s))
        for s in sentences
    )


def as_sentence_tags(sentences):
    return "".join(" ".join(f"{w}/{_tag(t)}" for w, t in s) + "\n" for s in sentences)


def as_kaggle(sentences):
    stream = io.StringIO()
    table = csv.writer(stream)
    table.writerow(["Sentence #", "Word", "Tag"])
    for number, sentence in enumerate(sentences):
        table.writerows([number, word, _tag(label)] for word, label in sentence)
    return stream.getvalue()


def as_webanno(sentences):
    lines, begin = ["#FORMAT=WebAnno TSV 3.3", "#T_SP=x.NamedEntity|value", ""], 0
    for number, sentence in enumerate(sentences, start=1):
        lines += ["", "#Text=" + " ".join(word for word, _ in sentence)]
        for index, (word, label) in enumerate(sentence, start=1):
            end = begin + len(word.encode("utf-16-le")) // 2
            lines.append(f"{number}-{index}\t{begin}-{end}\t{word}\t{label or '_'}\t")
            begin = end + 1
    return "\n".join(lines) + "\n"


def as_jsonl(sentences):
    items = ({"tokens": [w for w, _ in s], "ner": [_tag(t) for _, t in s]} for s in sentences)
    return "".join(json.dumps(item) + "\n" for item in items)


def _tag(label):
    return f"B-{label}" if label else "O"


@pytest.mark.parametrize(
    ("writer", "format"),
    [
        (as_conll, "conll"), (as_conllu, "conllu"), (as_germeval, "germeval"),
        (as_ontonotes, "ontonotes"), (as_sentence_tags, "sentence-tags"), (as_kaggle, "kaggle"),
        (as_webanno, "webanno"), (as_jsonl, "jsonl"),
    ],
)  # fmt: skip
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sentences=SENTENCES)
def test_any_sentences_come_back_in_every_format(writer, format, tmp_path, sentences):
    sentences = [ANCHOR, *sentences]
    path = write(tmp_path, "any.txt", writer(sentences))
    before = records(path, NER, format=format)
    assert [
        [(text[s.start : s.end], s.label) for s in labels["ner"]] for text, labels in before
    ] == [[pair for pair in sentence if pair[1]] for sentence in sentences]
    assert records(converted(path, format=format), NER) == before


def test_other_keys_and_columns_are_kept(tmp_path):
    path = write(tmp_path, "a.conllu", CONLLU)
    [item] = objects(path)
    assert item["text"] == "Mia didn't."
    assert item["entities"] == [{"start": 0, "end": 3, "label": "PER"}]
    assert item["tokens"] == ["Mia", "did", "n't", "."]
    assert item["UPOS"] == ["PROPN", "AUX", "PART", "PUNCT"]
    assert item["sent_id"] == "a"
    assert not {"NER", "FORM", "2", "4"} & set(item)


def test_tags_that_are_no_entities_stay_tags(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"tokens": ["Mia", "ran"], "tags": ["PROPN", "VERB"]}\n')
    [item] = objects(path)
    assert item == {"text": "Mia ran", "tokens": ["Mia", "ran"], "tags": ["PROPN", "VERB"]}


def test_a_column_that_the_user_names_gets_the_usual_key(tmp_path):
    path = write(tmp_path, "a.csv", "kind,body\nnews,Mia ran\nsports,Bo sat\n")
    assert objects(path, text="body", label="kind")[0] == {"text": "Mia ran", "label": "news"}
    path = write(tmp_path, "a.conll", "Mia PROPN B-PER\nran VERB O\n")
    assert objects(path, label="2")[0]["tags"] == ["PROPN", "VERB"]


def test_what_has_no_label_has_no_key(tmp_path):
    path = write(
        tmp_path,
        "a.jsonl",
        '{"text": "a b", "entities": null}\n{"text": "Mia", "entities": [[0, 3, "PER"]]}\n',
    )
    assert [item.get("entities") for item in objects(path)] == [
        None,
        [{"start": 0, "end": 3, "label": "PER"}],
    ]


def test_notes_say_what_was_recognized_and_left_out(tmp_path):
    path = write(
        tmp_path, "a.jsonl", '{"text": "Mia", "label": "x"}\n{"text": " ", "label": "y"}\n'
    )
    found = convert(path, Layout(flag=FLAG), TaskDataConfig())
    assert len(found.objects) == 1
    assert found.notes == [
        f"{path}: 1 texts, JSONL.",
        f"{path}: 1 empty texts, left out (first: line 2).",
    ]


@pytest.mark.parametrize(
    ("text", "fields", "message"),
    [
        ("a,b\nc,d\n", {}, "say which one holds the text"),
        ("text,label\nMia,x\n", {"label": "lable"}, "no column 'lable'.*Did you mean 'label'"),
        ("text,title\nMia,x\n", {"text": "title"}, "there is a key 'text' already"),
    ],
)
def test_what_cannot_be_decided_is_refused(tmp_path, text, fields, message):
    with pytest.raises(UserError, match=message):
        objects(write(tmp_path, "a.csv", text), **fields)
