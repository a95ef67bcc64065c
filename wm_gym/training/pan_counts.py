"""Parameters, operations and saved numbers of the networks of a PAN-scale model, from their sizes alone.

One multiplication with an addition is two operations. Attention is counted over the tokens that the mask lets through;
norms, activations and embeddings are left out, as in torch's `FlopCounterMode`. The sizes are those of the official
configs of Wan2.1-T2V and Qwen2.5-VL; the tests compare every count with torch's own, on the meta device.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WanSize:
    """Wan2.1's transformer with PAN's stream of the latent state; the defaults are Wan2.1-T2V-14B.

    Attributes:
        width: width of a token.
        ffn_width: width of the feed-forward layers.
        num_layers: blocks.
        channels: of the latents.
        patch: numbers of a patch, without channels.
        text_width: width of umT5's tokens.
        frequencies: width of the embedding of the noise level.
        state_width: width of the latent state.
    """

    width: int = 5120
    ffn_width: int = 13824
    num_layers: int = 40
    channels: int = 16
    patch: int = 4
    text_width: int = 4096
    frequencies: int = 256
    state_width: int = 3584

    @property
    def block_parameters(self) -> int:
        """Of one block: two attentions with norms of queries and keys, a norm, the feed-forward layers, modulation."""
        width, ffn = self.width, self.ffn_width
        attention = 4 * width * (width + 1) + 2 * width
        return 2 * attention + 2 * width + 2 * width * ffn + ffn + width + 6 * width

    @property
    def stream_parameters(self) -> int:
        """Of PAN's stream: a projection, and in every block a copied attention and a linear layer."""
        width = self.width
        copied = 4 * width * (width + 1) + 2 * width + width * (width + 1)
        return (self.state_width + 1) * width + self.num_layers * copied

    @property
    def num_parameters(self) -> int:
        """Of the transformer, without the stream."""
        width = self.width
        patches = (self.channels * self.patch + 1) * width + (width + 1) * self.channels * self.patch
        levels = (self.frequencies + 1) * width + width * (width + 1) + 6 * width * (width + 1)
        texts = (self.text_width + 1) * width + width * (width + 1)
        return patches + levels + texts + 2 * width + self.num_layers * self.block_parameters

    def forward_operations(self, *, num_chunks: int, chunk_tokens: int, text_tokens: int, state_tokens: int) -> int:
        """Of one chunk-causal pass over a window with its own text and latent state for every chunk."""
        width, tokens = self.width, num_chunks * chunk_tokens
        seen = sum(chunk_tokens * chunk_tokens * (number + 1) for number in range(num_chunks))
        own = 2 * 4 * width**2 * tokens + 4 * width * seen
        cross = 0
        for condition, extra in ((text_tokens, 0), (state_tokens, 1)):
            cross += 2 * (2 + extra) * width**2 * tokens + 2 * 2 * width**2 * condition * num_chunks
            cross += 4 * width * tokens * condition
        ffn = 2 * 2 * width * self.ffn_width * tokens
        edges = 2 * 2 * self.channels * self.patch * width * tokens
        texts = 2 * (self.text_width * width + width**2) * text_tokens * num_chunks
        states = 2 * self.state_width * width * state_tokens * num_chunks
        levels = 2 * (self.frequencies * width + width**2 + 6 * width**2) * num_chunks
        return self.num_layers * (own + cross + ffn) + edges + texts + states + levels

    @property
    def saved_numbers(self) -> int:
        """What one block keeps a token for its backward pass, in bfloat16 numbers.

        Counted on autograd's saved tensors: two of the feed-forward width, and 57 of the block's, of which most belong
        to norms, modulation and residuals, which diffusers computes in float32. A mask and the sums of the softmax are
        left out.
        """
        return 57 * self.width + 2 * self.ffn_width


@dataclass(frozen=True, kw_only=True)
class QwenSize:
    """Qwen2.5-VL's language model and vision tower; the defaults are Qwen2.5-VL-7B-Instruct.

    Attributes:
        width: width of a token.
        ffn_width: width of the feed-forward layers.
        num_layers: layers.
        key_width: width of keys and of values, over all heads.
        vocabulary: token ids.
        vision_width: width of the tower.
        vision_ffn_width: width of its feed-forward layers.
        vision_layers: its blocks.
        patch: numbers of a patch of pixels: 3 colours, 2 frames, 14 x 14.
        merged: patches that become one token.
    """

    width: int = 3584
    ffn_width: int = 18944
    num_layers: int = 28
    key_width: int = 512
    vocabulary: int = 152064
    vision_width: int = 1280
    vision_ffn_width: int = 3420
    vision_layers: int = 32
    patch: int = 1176
    merged: int = 4

    @property
    def layer_weights(self) -> int:
        """Of the matrices of one layer of the language model."""
        return self.width * (2 * self.width + 2 * self.key_width + 3 * self.ffn_width)

    @property
    def language_parameters(self) -> int:
        """Of the language model, its embedding included, its output layer not."""
        small = self.width + 2 * self.key_width + 2 * self.width  # biases of queries, keys, values; two norms
        return self.vocabulary * self.width + self.num_layers * (self.layer_weights + small) + self.width

    @property
    def vision_parameters(self) -> int:
        """Of the vision tower."""
        width, ffn, merged = self.vision_width, self.vision_ffn_width, self.merged * self.vision_width
        block = 4 * width * (width + 1) + 3 * width * ffn + 2 * ffn + width + 2 * width
        merger = width + merged * (merged + 1) + (merged + 1) * self.width
        return self.patch * width + self.vision_layers * block + merger

    def language_operations(self, num_tokens: int) -> int:
        """Of one causal pass of the language model."""
        matrices = 2 * self.layer_weights * num_tokens
        return self.num_layers * (matrices + 2 * self.width * num_tokens**2)  # half of the scores is masked

    def vision_operations(self, num_tokens: int) -> int:
        """Of one pass of the tower for so many merged tokens; its windowed attention is left out."""
        patches, width, merged = self.merged * num_tokens, self.vision_width, self.merged * self.vision_width
        blocks = self.vision_layers * 2 * (4 * width**2 + 3 * width * self.vision_ffn_width) * patches
        return blocks + 2 * self.patch * width * patches + 2 * (merged**2 + merged * self.width) * num_tokens
