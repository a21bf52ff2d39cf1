"""Sound in, text out: corpora, features, augmentation, tokenizers, decoding and error rates."""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Corpus": ".corpus",
        "Utterance": ".corpus",
        "load_corpus": ".corpus",
        "cache_folder": ".corpus",
        "read_manifest": ".manifest",
        "export_corpus": ".manifest",
        "read_fsdd": ".folders",
        "read_librispeech": ".folders",
        "check_audio": ".audio",
        "read_audio": ".audio",
        "LogMel": ".features",
        "Examples": ".examples",
        "prepare": ".examples",
        "frames_needed": ".examples",
        "flat_start_labels": ".alignment",
        "warp_mels": ".augment",
        "spec_augment": ".augment",
        "change_speed": ".augment",
        "WordTokenizer": ".tokenizers",
        "PieceTokenizer": ".tokenizers",
        "CharTokenizer": ".tokenizers",
        "make_tokenizer": ".tokenizers",
        "tokenizer_from_json": ".tokenizers",
        "greedy_decode": ".decoding",
        "Interval": ".scoring",
        "word_error_rate": ".scoring",
        "character_error_rate": ".scoring",
        "error_counts": ".scoring",
        "bootstrap_wer": ".scoring",
        "paired_bootstrap": ".scoring",
    },
)
