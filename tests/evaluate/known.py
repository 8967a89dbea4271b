"""The names of the graders that suites and importers may use."""

GRADERS = frozenset(
    {
        *("equals", "contains", "contains-all", "contains-any", "icontains", "icontains-all", "icontains-any"),
        *(
            "starts-with",
            "regex",
            "word-count",
            "levenshtein",
            "rouge-n",
            "is-json",
            "contains-json",
            "is-xml",
            "is-sql",
        ),
        *("is-refusal", "is-valid-openai-tools-call", "tool-call-f1", "cost", "latency", "finish-reason", "llm-rubric"),
        *("pairwise", "match", "includes", "fuzzy-match", "json-match", "number", "tool-calls", "no-tool-calls"),
        *("instructions", "code", "choice"),
    }
)
