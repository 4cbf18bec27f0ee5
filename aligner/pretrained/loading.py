"""Load pretrained models of Hugging Face `transformers`: weights, never code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aligner.errors import ConfigError, ModelError


def load_encoder(
    name: str, *, extra: str, check: Callable[[Any], None] = lambda config: None
) -> tuple[Any, Any]:
    """Return a model of `transformers`, in evaluation mode, and its tokenizer.

    Args:
        name: a local directory, or a model of the Hugging Face hub.
        extra: what to install, where `transformers` is missing.
        check: told the configuration before the weights are read, to refuse it.

    Raises:
        ConfigError: `transformers` is not installed.
        ModelError: it does not load, or is no encoder.
    """

    def check_all(config: Any) -> None:
        check(config)
        check_is_encoder(name, config)

    return load_pretrained(name, "an encoder", extra=extra, check=check_all)


def load_pretrained(
    name: str, kind: str, *, extra: str, check: Callable[[Any], None]
) -> tuple[Any, Any]:
    """Return a model of some kind, in evaluation mode, and its tokenizer.

    Args:
        name: a local directory, or a model of the Hugging Face hub.
        kind: what it is expected to be, with an article.
        extra: what to install, where `transformers` is missing.
        check: told the configuration before the weights are read, to refuse it.

    Raises:
        ConfigError: `transformers` is not installed.
        ModelError: it does not load, or is refused.
    """
    try:
        from transformers import AutoConfig, AutoModel, AutoTokenizer
    except ImportError as error:
        raise ConfigError(
            f"{kind.partition(' ')[2]}s need transformers: expected it installed, by "
            f"pip install '.[{extra}]' where aligner's source is"
        ) from error
    if Path(name, "config.toml").is_file():
        raise ModelError(
            f"{name}: expected {kind} of transformers, got a model of aligner"
        )
    with _loading(name, "config.json", kind):
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    check(config)
    with _loading(name, "tokenizer files", kind):
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    with _loading(name, "weights", kind):
        model, info = AutoModel.from_pretrained(
            name,
            config=config,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    # The pooler comes after the last layer; masked language models have none.
    if missing := [key for key in info["missing_keys"] if "pooler" not in key]:
        raise ModelError(
            f"{name}: expected all weights of a {type(model).__name__}, "
            f"got none for {min(missing)} and {len(missing) - 1} more"
        )
    return model.float().eval(), tokenizer


def check_is_encoder(name: str, config: Any) -> None:
    """Check that every token sees all others, and no part would be left out.

    Raises:
        ModelError: another kind of model.
    """
    options = ("is_decoder", "is_encoder_decoder", "add_cross_attention")
    for option in (*options, "quantization_config"):
        if getattr(config, option, None):
            raise ModelError(
                f"{name}: expected an encoder without {option}, got it set "
                f"({type(config).__name__})"
            )


def special_ids(name: str, tokenizer: Any) -> tuple[int, int]:
    """Return the ids of the tokens around each sequence, CLS and SEP.

    Raises:
        ModelError: there are none, or the tokenizer knows no words.
    """
    # Without its files, transformers makes a tokenizer that knows special tokens only.
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise ModelError(f"{name}: expected a tokenizer with a vocabulary, got none")
    found = tokenizer.cls_token_id, tokenizer.sep_token_id
    if None in found:
        raise ModelError(
            f"{name}: expected a tokenizer with a CLS and a SEP token, "
            f"got {tokenizer.cls_token} and {tokenizer.sep_token}"
        )
    return found


def token_ids(
    tokenizer: Any, texts: list[str], *, as_target: bool = False
) -> list[list[int]]:
    """Return the tokens of each text, without special ones around.

    What a text says is text, even where it spells a special token. With `as_target`,
    of the language that a translation model writes.
    """
    found: list[list[int]] = tokenizer(
        **{"text_target" if as_target else "text": texts},
        add_special_tokens=False,
        split_special_tokens=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    return found


def check_token_ids(name: str, largest: int, vocabulary: int) -> None:
    """Check that a model knows a tokenizer's tokens, by the largest of them.

    Raises:
        ModelError: the tokenizer belongs to another model.
    """
    if largest >= vocabulary:
        raise ModelError(
            f"{name}: expected tokens below {vocabulary}, as many as the model has, "
            f"got {largest} from the tokenizer"
        )


def longest_sequence(name: str, model: Any, tokenizer: Any) -> int:
    """Return how many tokens fit into a sequence, CLS and SEP included.

    Raises:
        ModelError: none besides those two, or the configuration does not say.
    """
    positions = size_of(name, model.config, "max_position_embeddings")
    # RoBERTa's kin count positions from behind the number of the padding token.
    for part, module in model.named_modules():
        if part.endswith("position_embeddings"):
            padding = getattr(module, "padding_idx", None)
            positions -= 0 if padding is None else padding + 1
    longest = min(positions, int(tokenizer.model_max_length))
    if longest < 3:
        raise ModelError(f"{name}: expected room for 3 tokens, got {longest}")
    return longest


def size_of(name: str, config: Any, key: str) -> int:
    """Return a size that a configuration names.

    Raises:
        ModelError: it does not: this is another kind of model.
    """
    value = getattr(config, key, None)
    if not isinstance(value, int):
        kind = type(config).__name__
        raise ModelError(f"{name}: expected {key} in a {kind}, got {value}")
    return value


@contextmanager
def _loading(name: str, what: str, kind: str) -> Iterator[None]:
    """Load quietly; turn any failure into one line."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    # A foreign file can fail in any way that its parsers know.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        here = "" if Path(name).exists() else "there is no such directory here; "
        raise ModelError(
            f"{name}: expected the {what} of {kind}: {here}{reason}"
        ) from error
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
