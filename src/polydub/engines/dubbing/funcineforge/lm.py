"""The language model: a Qwen2 decoder fed by embeddings, with tables and a head of its own.

Parameter names are those of the public checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from polydub.engines.dubbing.funcineforge.config import EOS, LmConfig, LmDecoding
from polydub.engines.dubbing.funcineforge.sampling import generator_of, pick
from polydub.engines.dubbing.funcineforge.sequence import CODEC, TEXT, TIMESPK, Prompt
from polydub.errors import EngineError
from polydub.model.packages import without_broken

NEVER = {torch.float32: -3.4e38, torch.bfloat16: -65504.0, torch.float16: float("-inf")}
"""What the log-probability of a token becomes that must not be drawn (code)."""


class _Backbone(nn.Module):
    """The decoder under the name that it has in the checkpoint."""

    def __init__(self, config: LmConfig) -> None:
        super().__init__()
        with without_broken("torchaudio"):
            from transformers import Qwen2Config, Qwen2Model
        self.model = Qwen2Model(
            Qwen2Config(
                vocab_size=config.vocabulary,
                hidden_size=config.hidden,
                intermediate_size=config.intermediate,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                num_key_value_heads=config.kv_heads,
                max_position_embeddings=config.positions,
                rms_norm_eps=config.norm_eps,
                rope_theta=config.rope_theta,
                use_sliding_window=False,
                tie_word_embeddings=True,
                attn_implementation="sdpa",
            )
        )


class SpeechLm(nn.Module):
    """Tables, decoder and head; ``tokens`` writes speech tokens for prompts."""

    def __init__(self, config: LmConfig) -> None:
        super().__init__()
        self.config = config
        self.llm = _Backbone(config)
        self.codec_embed = nn.Embedding(config.codec_units, config.hidden, padding_idx=0)
        self.timespk_embed = nn.Embedding(config.timespk_units, config.hidden, padding_idx=0)
        self.codec_head = nn.Linear(config.hidden, config.codec_units, bias=False)
        self.face_linear = nn.Linear(config.face_size, config.hidden)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.codec_head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are stored as."""
        return self.codec_head.weight.dtype

    def embed(self, prompt: Prompt) -> Tensor:
        """Embeddings ``[prompt.length, hidden]``: the start, the face frames, the rest.

        A frame without a face is the bias of the face layer: there is no mask.
        """
        ids = torch.from_numpy(prompt.ids).to(self.device)
        kinds = torch.from_numpy(prompt.kinds).to(self.device)
        rows = self.codec_embed.weight.new_zeros((len(ids), self.config.hidden))
        tables = ((CODEC, self.codec_embed), (TIMESPK, self.timespk_embed))
        for kind, table in (*tables, (TEXT, self.llm.model.embed_tokens)):
            at = kinds == kind
            rows = rows.masked_scatter(at[:, None], table(ids[at]))
        faces = torch.from_numpy(prompt.faces).to(self.device, self.dtype)
        return torch.cat([rows[:1], self.face_linear(faces), rows[1:]])

    def hidden(self, embeddings: Tensor, mask: Tensor | None = None) -> Tensor:
        """Last hidden states of ``embeddings`` ``[batch, n, hidden]``; ``mask`` 0 = padding."""
        places = None if mask is None else _places(mask)
        out = self.llm.model(
            inputs_embeds=embeddings, attention_mask=mask, position_ids=places, use_cache=False
        )
        return out.last_hidden_state

    def tokens(
        self,
        prompts: Sequence[Prompt],
        options: LmDecoding | None = None,
        *,
        seeds: Sequence[int] | None = None,
        plans: Sequence[Plan] | None = None,
    ) -> list[Written]:
        """What the model says to each prompt; ``seeds`` (default 0) and ``plans`` are one a prompt.

        A prompt's tokens do not depend on those beside it but for the rounding of batched
        arithmetic. Raises ``EngineError`` as :func:`.sampling.pick` does.
        """
        options = options or LmDecoding()
        seeds = list(seeds) if seeds is not None else [0] * len(prompts)
        plans = list(plans) if plans is not None else [Plan()] * len(prompts)
        if not len(seeds) == len(plans) == len(prompts):
            raise EngineError("One seed and one plan a prompt are needed.")
        writers = [_Writer(options, seed, plan) for seed, plan in zip(seeds, plans, strict=True)]
        for _ in self._steps(prompts, writers, options):
            pass
        return [Written(tuple(writer.said), writer.ended) for writer in writers]

    def stream(self, prompt: Prompt, options: LmDecoding | None = None, *, seed: int = 0) -> Any:
        """The tokens of one prompt, one after the other, as :meth:`tokens` gives them."""
        options = options or LmDecoding()
        writer = _Writer(options, seed, Plan())
        for _ in self._steps([prompt], [writer], options):
            if not writer.ended:
                yield writer.said[-1]

    @torch.no_grad()
    def _steps(
        self, prompts: Sequence[Prompt], writers: Sequence[_Writer], options: LmDecoding
    ) -> Iterator[int]:
        """Feed and draw until everybody is done; yields the number of each step."""
        if not prompts:
            return
        inputs, mask = _left_padded([self.embed(prompt) for prompt in prompts])
        feed = _Cached(self, mask) if options.cache else _Whole(self, mask)
        hidden = feed(inputs)
        for step in range(max(writer.most for writer in writers)):
            # tokens are drawn on the CPU: one way there a step is enough
            logp = self.codec_head(hidden).float().log_softmax(-1).cpu()
            for row, writer in enumerate(writers):
                writer.write(logp[row], self.dtype)
            yield step
            if all(writer.done for writer in writers):
                return
            said = torch.tensor([writer.last for writer in writers], device=self.device)
            hidden = feed(self.codec_embed(said)[:, None])


@dataclass(frozen=True, slots=True)
class Written:
    """Tokens of one prompt; ``ended`` tells whether the model stopped by itself."""

    tokens: tuple[int, ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What is settled before a prompt is answered; nothing by default, as in the release.

    ``said`` maps positions to tokens that are said there whatever the model would say. ``length``
    is the exact number of tokens.
    """

    said: Mapping[int, int] = field(default_factory=dict)
    length: int | None = None


class _Writer:
    """One row of a batch: what was said, and whether it goes on."""

    def __init__(self, options: LmDecoding, seed: int, plan: Plan) -> None:
        self._options = options
        self._plan = plan
        self._least = options.min_length if plan.length is None else plan.length
        self._most = options.max_length if plan.length is None else plan.length
        self._generator = generator_of(seed)
        self.said: list[int] = []
        self.ended = False

    @property
    def most(self) -> int:
        """How many tokens the row may have."""
        return self._most

    @property
    def done(self) -> bool:
        """Whether nothing more is said: the model stopped, or the row is full."""
        return self.ended or len(self.said) >= self._most

    @property
    def last(self) -> int:
        """What is fed next; a row that is done is fed anything."""
        return self.said[-1] if self.said else 0

    def write(self, logp: Tensor, dtype: torch.dtype) -> None:
        """Draw the next token from log-probabilities ``[units]``, which are changed."""
        if self.done:
            return
        options, place = self._options, len(self.said)
        if place in self._plan.said:
            self.said.append(self._plan.said[place])
            return
        never = list(options.avoid)
        if place < self._least:
            never.append(EOS)
        if never:
            logp[never] = NEVER.get(dtype, NEVER[torch.float32])
        token = pick(logp, self.said, options.sampling, self._generator, ras=options.ras)
        if token == EOS:
            self.ended = True
        else:
            self.said.append(token)


class _Cached:
    """Feeds one position at a time; keys and values of those before are kept."""

    def __init__(self, model: SpeechLm, mask: Tensor | None) -> None:
        from transformers import DynamicCache

        self._model = model.llm.model
        self._mask = mask
        self._cache = DynamicCache(config=self._model.config)

    def __call__(self, inputs: Tensor) -> Tensor:
        """The last hidden state ``[batch, hidden]`` after ``inputs`` ``[batch, n, hidden]``."""
        places = None
        if self._mask is not None:
            grown = inputs.shape[1] + self._cache.get_seq_length() - self._mask.shape[1]
            self._mask = nn.functional.pad(self._mask, (0, grown), value=1)
            places = _places(self._mask)[:, -inputs.shape[1] :]
        out = self._model(
            inputs_embeds=inputs,
            attention_mask=self._mask,
            position_ids=places,
            past_key_values=self._cache,
            use_cache=True,
        )
        return out.last_hidden_state[:, -1]


class _Whole:
    """Reads everything again for every token: the same tokens, slowly."""

    def __init__(self, model: SpeechLm, mask: Tensor | None) -> None:
        self._model = model
        self._mask = mask
        self._inputs: Tensor | None = None

    def __call__(self, inputs: Tensor) -> Tensor:
        """As of :class:`_Cached`."""
        if self._inputs is not None:
            if self._mask is not None:
                self._mask = nn.functional.pad(self._mask, (0, inputs.shape[1]), value=1)
            inputs = torch.cat([self._inputs, inputs], dim=1)
        self._inputs = inputs
        return self._model.hidden(inputs, self._mask)[:, -1]


def _left_padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """``[batch, longest, hidden]`` with zeros before short rows; and the mask if there are any."""
    longest = max(len(row) for row in rows)
    batch = torch.stack([nn.functional.pad(row, (0, 0, longest - len(row), 0)) for row in rows])
    if all(len(row) == longest for row in rows):
        return batch, None
    lengths = torch.tensor([len(row) for row in rows], device=batch.device)
    places = torch.arange(longest, device=batch.device)
    return batch, (places >= longest - lengths[:, None]).long()


def _places(mask: Tensor) -> Tensor:
    """Positions that count from 0 at each row's first real one."""
    return (mask.cumsum(-1) - 1).clamp(min=0)
