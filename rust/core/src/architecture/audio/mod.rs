//! Audio towers that several families share. A tower adds its tensors to the scope that is open, and everything in it
//! has the role of audio. Its fields are those of its own config; what they leave out is the default of its own class.

pub mod conformer;
pub mod encodec;
pub mod granite;
pub mod qwen3;
pub mod rotary;
pub mod san_m;
pub mod vibevoice;
pub mod wav2vec2;
pub mod weight_norm;
pub mod whisper;
