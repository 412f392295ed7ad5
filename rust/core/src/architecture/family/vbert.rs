//! ModernVBERT and UltraVBERT: an encoder of text that reads what a SigLIP sees among its words.
//!
//! Source: transformers `models/modernvbert` and `models/ultravbert`.

use super::Family;
use super::idefics2::merged;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Task, refuse};
use crate::architecture::place::{Place, Top, labels};
use crate::architecture::vision::clip::siglip;
use crate::checkpoint::Role;

/// `ModernVBERT` and `UltraVBERT`.
pub const FAMILY: Family = Family {
    name: "vbert",
    model_types: &["modernvbert", "ultravbert"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let ultra = fields.opt_text("model_type")? == Some("ultravbert");
    let seat = Seat::whole(fields, "model.")?;
    let text = fields.object("text_config")?;
    let vision = fields.object("vision_config")?;
    let model = format!("{}text_model.", seat.model);
    let place = Place {
        model: &model,
        head: "",
        top: Top::None,
        tied: None,
    };
    let default = if ultra { "ultrabert" } else { "modernbert" };
    super::text(b, &text, default, &place)?;
    let hidden = text.size("hidden_size")?;
    let vocabulary = text.size("vocab_size")?;
    b.scope(seat.model, |b| {
        let seen = b.scope("vision_model.", |b| siglip(b, &vision, true))?;
        let inputs = merged(fields, "pixel_shuffle_factor", 4, seen)?;
        let name = "connector.modality_projection";
        b.linear(name, Role::Projector, hidden, inputs, false);
        if ultra {
            b.all_as(Role::Projector, |b| {
                b.norm("connector.norm", hidden, false);
            });
        }
        Ok(())
    })?;
    let tied = fields.flag_or("tie_word_embeddings", false)?;
    b.scope(seat.top, |b| match seat.task {
        Task::Bare => Ok(()),
        Task::MaskedWords | Task::Words if ultra => {
            let inner = text.size_or("prediction_head_size", 768)?;
            b.linear("head.linear1", Role::Head, inner, hidden, false);
            b.linear("head.linear2", Role::Head, hidden, inner, false);
            if !tied {
                b.linear("head.decoder", Role::Head, vocabulary, hidden, false);
            }
            Ok(())
        }
        Task::MaskedWords | Task::Words => {
            network(b, &text, "projection_head", hidden)?;
            if !tied {
                b.linear("lm_head", Role::Head, vocabulary, hidden, false);
            }
            if text.flag_or("decoder_bias", true)? {
                b.tensor("lm_head.bias", Role::Head, &[vocabulary]);
            }
            Ok(())
        }
        Task::Sequence | Task::Token => {
            if !ultra {
                network(b, &text, "head", hidden)?;
            }
            b.linear("classifier", Role::Head, labels(fields)?, hidden, true);
            Ok(())
        }
        Task::PreTraining | Task::NextSentence | Task::Answer | Task::Choice => refuse(fields),
    })
}

/// Adds the network of ModernBERT that lies before its logits.
fn network(b: &mut Builder, text: &Fields<'_>, name: &str, hidden: u64) -> Result<()> {
    let bias = text.flag_or("classifier_bias", false)?;
    let norm_bias = text.flag_or("norm_bias", false)?;
    b.linear(&format!("{name}.dense"), Role::Head, hidden, hidden, bias);
    b.norm(&format!("{name}.norm"), hidden, norm_bias);
    Ok(())
}
