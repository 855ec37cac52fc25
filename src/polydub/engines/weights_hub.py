"""Weights that only the model hub has: names, files, licences, where each one lies.

None of them could be fetched where this table was written, so no checksum of ours pins them: a
download is checked by the hub's own (every large file is addressed by its SHA-256 there). They are
fetched by ``polydub engines pull`` alone. File names are those that the models' own loading code
asks for.
"""

from __future__ import annotations

from polydub.engines.weights_table import PinnedFile, Weight


def _on_hub(
    name: str,
    repository: str,
    licence: str,
    files: str,
    *,
    terms: str = "",
    note: str = "",
    revision: str = "",
) -> Weight:
    return Weight(
        name=name,
        files=tuple(PinnedFile(file, "") for file in files.split()),
        licence=licence,
        upstream=f"https://huggingface.co/{repository}",
        mirror=False,
        hub=repository,
        revision=revision,
        note=note,
        terms=terms,
    )


def _off_hub(name: str, file: str, licence: str, upstream: str, *, note: str) -> Weight:
    """A file that its authors give elsewhere; the user fetches it and names its path."""
    return Weight(
        name=name,
        files=(PinnedFile(file, ""),),
        licence=licence,
        upstream=upstream,
        mirror=False,
        note=note,
    )


_WHISPER_FILES = "model.bin config.json preprocessor_config.json tokenizer.json vocabulary.json"
_BLANK = "CosyVoice-BlankEN"

HUB_WEIGHTS = (
    _on_hub("whisper-large-v3", "Systran/faster-whisper-large-v3", "MIT", _WHISPER_FILES),
    _on_hub(
        "whisper-turbo",
        "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        "MIT",
        _WHISPER_FILES,
        note="a conversion of OpenAI's large-v3-turbo by Mobius Labs",
    ),
    _on_hub(
        "f5-tts",
        "SWivid/F5-TTS",
        "CC-BY-NC-4.0",
        "F5TTS_v1_Base/model_1250000.safetensors F5TTS_v1_Base/vocab.txt",
        note="no commercial use: it was trained on Emilia",
    ),
    _on_hub("vocos-24khz", "charactr/vocos-mel-24khz", "MIT", "config.yaml pytorch_model.bin"),
    _on_hub(
        "chatterbox",
        "ResembleAI/chatterbox",
        "MIT",
        "ve.pt t3_mtl23ls_v2.safetensors s3gen.pt grapheme_mtl_merged_expanded_v1.json conds.pt "
        "Cangjie5_TC.json",
    ),
    _on_hub(
        "cosyvoice3",
        "FunAudioLLM/Fun-CosyVoice3-0.5B-2512",
        "Apache-2.0",
        "cosyvoice3.yaml llm.pt flow.pt hift.pt campplus.onnx speech_tokenizer_v3.onnx "
        f"{_BLANK}/config.json {_BLANK}/generation_config.json {_BLANK}/merges.txt "
        f"{_BLANK}/model.safetensors {_BLANK}/tokenizer_config.json {_BLANK}/vocab.json",
    ),
    _on_hub(
        "funcineforge",
        "FunAudioLLM/Fun-CineForge",
        "as the model card says (released for research)",
        "funcineforge_zh_en/llm/ds-model.pt.best/mp_rank_00_model_states.pt "
        "funcineforge_zh_en/flow/ds-model.pt.best/mp_rank_00_model_states.pt "
        "funcineforge_zh_en/vocoder/ds-model.pt.best/avg_5_removewn.pt "
        "funcineforge_zh_en/camplus.onnx face_recog_ir101.onnx "
        f"Qwen2-0.5B-{_BLANK}/config.json Qwen2-0.5B-{_BLANK}/vocab.json",
    ),
    _on_hub(
        "speech-tokenizer-v3",
        "FunAudioLLM/Fun-CosyVoice3-0.5B-2512",
        "Apache-2.0",
        "speech_tokenizer_v3.onnx",
        note="makes the speech tokens that Fun-CineForge is trained with",
    ),
    _on_hub(
        "indextts-2",
        "IndexTeam/IndexTTS-2",
        "bilibili model licence (read it before commercial use)",
        "config.yaml gpt.pth s2mel.pth bpe.model wav2vec2bert_stats.pt feat1.pt feat2.pt "
        "qwen0.6bemo4-merge/config.json qwen0.6bemo4-merge/generation_config.json "
        "qwen0.6bemo4-merge/model.safetensors qwen0.6bemo4-merge/tokenizer.json "
        "qwen0.6bemo4-merge/tokenizer_config.json qwen0.6bemo4-merge/vocab.json "
        "qwen0.6bemo4-merge/merges.txt",
    ),
    _on_hub(
        "w2v-bert-2",
        "facebook/w2v-bert-2.0",
        "MIT",
        "config.json preprocessor_config.json model.safetensors",
    ),
    _on_hub("maskgct-codec", "amphion/MaskGCT", "CC-BY-NC-4.0", "semantic_codec/model.safetensors"),
    _on_hub("campplus-cn", "funasr/campplus", "Apache-2.0", "campplus_cn_common.bin"),
    _on_hub(
        "bigvgan-22khz",
        "nvidia/bigvgan_v2_22khz_80band_256x",
        "MIT",
        "config.json bigvgan_generator.pt",
    ),
    _on_hub("whisper-tiny", "openai/whisper-tiny", "MIT", "pytorch_model.bin"),
    _on_hub("sd-vae-ft-mse", "stabilityai/sd-vae-ft-mse", "MIT", "diffusion_pytorch_model.bin"),
    _on_hub(
        "musetalk-1.5",
        "TMElyralab/MuseTalk",
        "free for any purpose, also commercial, as its authors' page says",
        "musetalkV15/unet.pth",
    ),
    _on_hub("latentsync-1.5", "ByteDance/LatentSync-1.5", "OpenRAIL++", "latentsync_unet.pt"),
    _on_hub("latentsync-1.6", "ByteDance/LatentSync-1.6", "OpenRAIL++", "latentsync_unet.pt"),
    _off_hub(
        "latentsync-mask",
        "mask.png",
        "Apache-2.0",
        "https://github.com/bytedance/LatentSync (file latentsync/utils/mask.png)",
        note="the picture that LatentSync was trained to fill in: a file of its authors' code",
    ),
    _off_hub(
        "wav2lip",
        "wav2lip_gan.pth",
        "non-commercial (NC): trained on LRS2",
        "https://github.com/Rudrabha/Wav2Lip (links under 'Getting the weights')",
        note="no commercial use: its authors allow research and personal use only",
    ),
    _on_hub(
        "utmos22-strong",
        "k2-fsa/TTS_eval_models",
        "MIT",
        "mos/utmos22_strong_step7459_v1.pt",
        revision="e876de7154845cd668b599bd4866f1d354c723df",
        note="measures only: UTMOS of `polydub evaluate`; also at "
        "github.com/tarepan/SpeechMOS/releases",
    ),
    _on_hub(
        "emotion-msp-dim",
        "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim",
        "CC-BY-NC-SA-4.0",
        "model.safetensors",
        note="no commercial use; measures only: emotion of `polydub evaluate`",
    ),
    _on_hub(
        "pyannote-community-1",
        "pyannote/speaker-diarization-community-1",
        "CC-BY-4.0",
        "config.yaml segmentation/pytorch_model.bin embedding/pytorch_model.bin plda/plda.npz "
        "plda/xvec_transform.npz",
        terms="https://huggingface.co/pyannote/speaker-diarization-community-1",
    ),
)
