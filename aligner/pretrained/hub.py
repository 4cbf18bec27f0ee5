"""Load translation models of Hugging Face `transformers`, and frame their sentences."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aligner.errors import ConfigError, ModelError
from aligner.pretrained.hub_network import HookedDecoder, HubNetwork, ModelIds
from aligner.pretrained.hub_trial import check_sums
from aligner.pretrained.loading import check_token_ids, load_pretrained, token_ids
from aligner.pretrained.one_way import OneWayModel, Pieces
from aligner.text.subwords import SPECIALS

KIND = "a translation model"
AROUND = 4  # tokens at most that stand around a sentence
SOME_WORD = "a"  # that shows where the pieces of a sentence stand


class HubTranslation:
    """A translation model of `transformers`, of two languages or of many.

    opus = HubTranslation.load("opus-mt-en-fr").one_way()
    nllb = HubTranslation.load("nllb-200-distilled-600M")
    there = nllb.one_way("eng_Latn", "fra_Latn")

    Attributes:
        name: its directory or hub name.
        is_multilingual: whether it reads and writes any of many languages.
        knows_languages: whether it has to be told languages: in OPUS' case perhaps
            the one that it is to write only.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        """Set up a model and its tokenizer.

        Raises:
            ModelError: its cross-attention cannot be read, or the tokenizer is none.
        """
        self.name, self._tokenizer, self._config = name, tokenizer, model.config
        self._hooked = HookedDecoder(name, model)
        self._marks = list(getattr(tokenizer, "supported_language_codes", None) or ())
        self.is_multilingual = hasattr(tokenizer, "src_lang")
        self.knows_languages = self.is_multilingual or bool(self._marks)
        if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
            raise ModelError(
                f"{name}: expected a tokenizer with a vocabulary, got none"
            )
        self._vocabulary: int = model.get_input_embeddings().num_embeddings
        some = self._tokens(["a b c a"], as_target=False, special=False)[0]
        check_token_ids(name, max(some, default=0), self._vocabulary)
        check_sums(self._hooked, [*some, *some][:8] or [0])

    @classmethod
    def load(cls, name: str, device: str = "cpu") -> "HubTranslation":
        """Load a local directory or a model of the Hugging Face hub.

        Raises:
            ConfigError: `transformers` is not installed.
            ModelError: it does not load, or is no translation model that can be read.
        """
        _check_safetensors(Path(name))

        def check(config: Any) -> None:
            if not getattr(config, "is_encoder_decoder", False):
                raise ModelError(
                    f"{name}: expected an encoder and a decoder with cross-attention, "
                    f"got a {type(config).__name__}"
                )
            if getattr(config, "quantization_config", None):
                raise ModelError(f"{name}: expected no quantization_config, got one")

        model, tokenizer = load_pretrained(name, KIND, extra="pretrained", check=check)
        return cls(name, model.to(device), tokenizer)

    def one_way(
        self, read: str | None = None, written: str | None = None
    ) -> OneWayModel:
        """Return the model as one that reads a language and writes another.

        Args:
            read: the language by the model's code, such as eng_Latn; None where it
                knows no languages.
            written: the other one.

        Raises:
            ConfigError: languages are given and it knows none, or the other way round,
                or it does not know them.
            ModelError: nothing tells what stands around a sentence.
        """
        self._tell(read, written)
        before, after = self._around(as_target=False)
        if self._marks and written is not None:
            before = [self._tokenizer.convert_tokens_to_ids(_mark(written)), *before]
        fed, ending = self._around(as_target=True)
        start = getattr(self._config, "decoder_start_token_id", None)
        if start is None or len(ending) > 1:  # mBART's first form: the language
            start = ending[-1] if ending else None
        if start is None or not after:
            raise ModelError(
                f"{self.name}: expected a token that sources end in and one that "
                "targets begin with, got none"
            )
        *in_front, tag = [start, *fed]
        pad, unknown = self._tokenizer.pad_token_id, self._tokenizer.unk_token_id
        end = after[-1]
        ids = ModelIds(
            end if pad is None else pad,
            end if unknown is None else unknown,
            end,
            tag,
            tuple(in_front),
        )
        for special in (*ids[:4], *ids.before, *before, *after):
            check_token_ids(self.name, special, self._vocabulary)
        return OneWayModel(
            self.name,
            HubNetwork(self._hooked, ids),
            Pieces(self._cutter(as_target=False), _ours(before), _ours(after[:-1])),
            Pieces(self._cutter(as_target=True)),
            self._room(),
        )

    def _tell(self, read: str | None, written: str | None) -> None:
        """Tell the tokenizer the languages, where it knows any."""
        if read is None or written is None:
            if self.knows_languages:
                raise ConfigError(
                    f"{self.name}: expected --languages, as it knows many, such as "
                    f"{', '.join(self._codes()[:3])}"
                )
            return
        if not self.knows_languages:
            raise ConfigError(
                f"{self.name}: expected no --languages, as it knows one pair only"
            )
        if self._marks:
            self._check_code(written)
            return
        for code in (read, written):
            self._check_code(code)
        self._tokenizer.src_lang, self._tokenizer.tgt_lang = read, written

    def _check_code(self, code: str) -> None:
        if code not in (known := self._codes()):
            raise ConfigError(
                f"{self.name}: expected a language of its own, such as "
                f"{', '.join(known[:3])}, got {code!r}"
            )

    def _codes(self) -> list[str]:
        """Return the languages that the tokenizer knows, by their codes."""
        if self._marks:
            return sorted(mark.strip("<>") for mark in self._marks)
        named = getattr(self._tokenizer, "lang_code_to_token", None)
        if named:
            return sorted(named)
        # Language tokens are special, but none of the usual ones, nor in brackets.
        special = self._tokenizer.all_special_tokens
        return sorted(token for token in special if "_" in token and token[0] != "<")

    def _around(self, *, as_target: bool) -> tuple[list[int], list[int]]:
        """Return the tokens in front of a sentence, and behind it."""
        bare, full = (
            self._tokens([SOME_WORD], as_target=as_target, special=special)[0]
            for special in (False, True)
        )
        for place in range(len(full) - len(bare) + 1):
            if bare and full[place : place + len(bare)] == bare:
                return full[:place], full[place + len(bare) :]
        raise ModelError(
            f"{self.name}: expected a tokenizer that sets special tokens around a "
            "sentence only, got another"
        )

    def _tokens(
        self, texts: list[str], *, as_target: bool, special: bool
    ) -> list[list[int]]:
        key = "text_target" if as_target else "text"
        found: list[list[int]] = self._tokenizer(
            **{key: texts}, add_special_tokens=special, verbose=False
        )["input_ids"]
        return found

    def _cutter(self, *, as_target: bool) -> Any:
        def cut(word: str, /) -> Sequence[int]:
            # As inside a sentence: byte-level tokenizers mark where words begin.
            [ids] = token_ids(self._tokenizer, [f" {word}"], as_target=as_target)
            check_token_ids(self.name, max(ids, default=0), self._vocabulary)
            return _ours(ids)

        return cut

    def _room(self) -> int | None:
        """Return how many pieces fit; None where positions do not end."""
        positions = getattr(self._config, "max_position_embeddings", None)
        return positions - AROUND if isinstance(positions, int) else None


def _ours(ids: Sequence[int]) -> list[int]:
    return [len(SPECIALS) + i for i in ids]


def _mark(code: str) -> str:
    return f">>{code}<<"


def _check_safetensors(directory: Path) -> None:
    """Check that there is something to load besides what would have to be unpickled."""
    pickled = sorted(directory.glob("pytorch_model*.bin"))
    if pickled and not any(directory.glob("*.safetensors")):
        raise ModelError(
            f"{pickled[0]}: expected model.safetensors, as nothing is unpickled here; "
            'where the source is trusted, convert it: python -c "from transformers '
            "import AutoModelForSeq2SeqLM as A; A.from_pretrained('"
            f"{directory}').save_pretrained('{directory}')\""
        )
