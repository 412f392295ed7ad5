use std::collections::{BTreeMap, HashMap, HashSet};

use super::glob::{Index, Segments, wildcard};
use super::rules::{BUFFERS, COMPONENTS, CONTEXTS, MTP_MARKERS, RULES, STACKS};
use super::{Role, assign, classify, is_buffer, layer_stack, mtp_marker};

/// The facts of `tests/golden/roles.json`: family, tensor name, role. What follows the last slash
/// of a family is the pipeline component.
type Golden = BTreeMap<String, BTreeMap<String, String>>;

fn golden() -> Golden {
    let text = include_str!("../../../../../tests/golden/roles.json");
    serde_json::from_str(text).expect("roles.json maps families to tensors to roles")
}

/// A tensor name with its number segments as `*`, and those numbers in order.
fn pattern_of(name: &str) -> (String, Vec<u64>) {
    let mut numbers = Vec::new();
    let segments: Vec<&str> = name
        .split('.')
        .map(|segment| match segment.parse() {
            Ok(number) => {
                numbers.push(number);
                "*"
            }
            Err(_) => segment,
        })
        .collect();
    (segments.join("."), numbers)
}

/// The roles of whole names, with the layers that a marker marks carried as a caller carries them.
fn roles_of<'a>(names: impl Iterator<Item = &'a String>, component: &str) -> Vec<Role> {
    let patterns: Vec<_> = names.map(|name| pattern_of(name)).collect();
    let texts: Vec<&str> = patterns.iter().map(|(text, _)| text.as_str()).collect();
    let mut roles = assign(&texts, component);
    let layer = |(text, numbers): &'_ (String, Vec<u64>)| {
        layer_stack(text).map(|(end, ordinal)| (text[..end].to_owned(), numbers[ordinal]))
    };
    let marked: HashSet<_> = patterns
        .iter()
        .filter(|(text, _)| mtp_marker(text).is_some())
        .map(layer)
        .collect();
    for (role, pattern) in roles.iter_mut().zip(&patterns) {
        let place = layer(pattern);
        if place.is_some() && marked.contains(&place) {
            *role = Role::Mtp;
        }
    }
    roles
}

#[test]
fn golden_facts_hold() {
    let mut wrong = Vec::new();
    for (family, facts) in &golden() {
        let component = family
            .rsplit_once('/')
            .map_or("", |(_, component)| component);
        for ((name, expected), role) in facts.iter().zip(roles_of(facts.keys(), component)) {
            if role.name() != expected {
                wrong.push(format!(
                    "{family}: {name} is {expected}, not {}",
                    role.name()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn golden_facts_are_many_and_well_formed() {
    let golden = golden();
    let names: HashSet<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    let roles: HashSet<&str> = golden
        .values()
        .flat_map(|facts| facts.values())
        .map(String::as_str)
        .collect();
    assert_eq!(roles, names, "every role has a fact, and every fact a role");
    assert!(golden.len() >= 60);
    assert!(golden.values().map(BTreeMap::len).sum::<usize>() >= 350);
}

#[test]
fn roles_are_listed_once_in_order() {
    for (place, role) in Role::ALL.into_iter().enumerate() {
        assert_eq!(role.index(), place);
    }
    assert!(Role::ALL.is_sorted());
    let names: HashSet<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    assert_eq!(names.len(), Role::ALL.len());
}

/// Every glob of every table, with a word for the table it is in.
fn all_globs() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rules = RULES.iter().map(|rule| ("rules", rule.globs));
    let contexts = CONTEXTS
        .iter()
        .flat_map(|rule| [("when", rule.when), ("unless", rule.unless)]);
    let tables = rules.chain(contexts).chain([("buffers", BUFFERS)]);
    tables.flat_map(|(table, globs)| {
        globs
            .split_ascii_whitespace()
            .map(move |glob| (table, glob))
    })
}

#[test]
fn every_glob_parses() {
    for (table, glob) in all_globs() {
        let inside = glob.strip_prefix('^').unwrap_or(glob);
        let inside = inside.strip_suffix('$').unwrap_or(inside);
        for segment in inside.split('.') {
            assert!(!segment.is_empty(), "{table}: empty segment in {glob}");
            assert!(!segment.contains("**"), "{table}: doubled star in {glob}");
            let plain = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*".contains(&byte)
            };
            assert!(
                segment == "#" || segment.bytes().all(plain),
                "{table}: odd letter in {glob}"
            );
        }
        assert!(
            inside.bytes().any(|byte| byte.is_ascii_alphabetic()),
            "{table}: {glob} is too wide"
        );
    }
    for words in [STACKS, MTP_MARKERS] {
        assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len());
    }
    assert!(
        COMPONENTS
            .iter()
            .all(|(_, globs)| !globs.contains(['.', '#', '^', '$']))
    );
}

#[test]
fn no_glob_stands_behind_an_identical_one() {
    let mut seen = HashMap::new();
    for (row, rule) in RULES.iter().enumerate() {
        assert!(!rule.globs.trim().is_empty(), "rule {row} has no glob");
        for glob in rule.globs.split_ascii_whitespace() {
            if let Some(first) = seen.insert(glob, row) {
                panic!("{glob} of rule {row} is never reached: rule {first} has it");
            }
        }
    }
}

/// A name that a glob matches: `x` for whatever a star stands for, with something before it where
/// the glob allows that.
fn example(glob: &str) -> String {
    let name = glob
        .trim_matches(['^', '$'])
        .replace('*', "x")
        .replace('#', "*");
    if glob.starts_with('^') {
        name
    } else {
        format!("m.{name}")
    }
}

#[test]
fn no_glob_stands_behind_a_wider_one() {
    let mut hidden = Vec::new();
    for rule in RULES {
        for glob in rule.globs.split_ascii_whitespace() {
            let role = classify(&example(glob));
            if role != rule.role {
                hidden.push(format!(
                    "{glob} is {}, not {}",
                    role.name(),
                    rule.role.name()
                ));
            }
        }
    }
    assert!(hidden.is_empty(), "{}", hidden.join("\n"));
}

#[test]
fn every_context_works_on_its_own_example() {
    for rule in CONTEXTS {
        let names = rule
            .when
            .split_ascii_whitespace()
            .map(|glob| format!("{}.weight", example(glob)));
        let prefix = if rule.when.starts_with('^') { "" } else { "m." };
        let part = rule.claims.split_ascii_whitespace().next().unwrap_or("x");
        let names: Vec<String> = names.chain([format!("{prefix}{part}.leaf")]).collect();
        let patterns: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(
            assign(&patterns, "").last(),
            Some(&rule.role),
            "{}",
            rule.when
        );
    }
}

#[test]
fn globs_match_as_documented() {
    let matches = |glob: &'static str, name: &str| {
        let mut found = false;
        let segments = Segments::new(name).expect("a short name");
        Index::new([(0, glob)].into_iter()).scan(&segments, |_| true, |_, _| found = true);
        found
    };
    assert!(matches("attn", "a.attn.b") && !matches("attn", "a.self_attn.b"));
    assert!(matches("*_attn", "a.self_attn.b") && matches("*attn", "attn"));
    assert!(matches("mlp.gate", "x.mlp.gate.weight") && !matches("mlp.gate", "x.mlp.up.gate"));
    assert!(matches("h.#.attn", "h.*.attn.w") && matches("h.#.attn", "h.12.attn.w"));
    assert!(!matches("h.#.attn", "h.x.attn.w"));
    assert!(matches("^head", "head.weight") && !matches("^head", "a.head.weight"));
    assert!(matches("bias$", "a.bias") && !matches("bias$", "a.bias.b"));
    assert!(matches("#.#.w", "0.*.w") && !matches("#.w", "w"));
    assert!(wildcard("a*b*c", "aXbYc") && !wildcard("a*b*c", "aXbYcZ"));
    assert!(wildcard("a*a", "aa") && !wildcard("a*a", "a"));
    assert!(wildcard("*ab*ab*", "abab") && !wildcard("*ab*ab*", "aba"));
    assert!(wildcard("*", "") && !wildcard("", "a"));
}

#[test]
fn letters_compare_without_case() {
    assert_eq!(classify("ENCODER.LAYER.*.LAYERNORM.WEIGHT"), Role::Norm);
    assert_eq!(classify("encoder.layer.*.LayerNorm.weight"), Role::Norm);
}

/// Asserts the roles of one checkpoint, given as lines of a pattern and its role.
#[track_caller]
fn assert_roles(component: &str, facts: &str) {
    let words: Vec<&str> = facts.split_ascii_whitespace().collect();
    let patterns: Vec<&str> = words.iter().step_by(2).copied().collect();
    let expected: Vec<&str> = words.iter().skip(1).step_by(2).copied().collect();
    let roles = assign(&patterns, component);
    let roles: Vec<&str> = roles.into_iter().map(Role::name).collect();
    assert_eq!(roles, expected, "{patterns:?}");
}

#[test]
fn an_encoder_is_audio_only_beside_its_convolutions() {
    let layers =
        "model.encoder.layers.*.fc1.weight mlp model.encoder.embed_positions.weight position";
    assert_roles("", layers);
    assert_roles(
        "",
        "model.encoder.layers.*.fc1.weight audio
         model.encoder.layers.*.self_attn.q_proj.weight audio
         model.encoder.conv1.weight audio
         model.encoder.conv2.weight audio
         model.decoder.layers.*.fc1.weight mlp",
    );
}

#[test]
fn a_scope_ends_at_a_dot() {
    assert_roles(
        "",
        "enc.quantizer.quantizers.w audio enc.x audio encoder.x other enc audio",
    );
}

#[test]
fn a_vision_checkpoint_keeps_its_head_and_a_document_model_its_text() {
    assert_roles(
        "",
        "embeddings.patch_embeddings.projection.weight vision
         encoder.layer.*.norm1.weight vision
         classifier.weight head",
    );
    assert_roles(
        "",
        "layout.embeddings.patch_embeddings.projection.weight embedding
         layout.embeddings.word_embeddings.weight embedding
         layout.encoder.layer.*.intermediate.dense.weight mlp",
    );
}

#[test]
fn linear_attention_is_told_from_attention_by_its_siblings() {
    assert_roles(
        "",
        "layers.*.attn.q_proj.weight state
         layers.*.attn.q_conv1d.weight state
         layers.*.attn.o_norm.weight norm",
    );
    assert_roles(
        "",
        "layers.*.attn.q_proj.weight attention
         layers.*.attn.q_conv1d.weight state
         layers.*.attn.kv_b_proj.weight attention",
    );
}

#[test]
fn a_component_gives_its_role_to_all_but_adapters_and_projectors() {
    let tower = "x.norm.weight vision q.lora_A.weight adapter visual_projection.weight projector";
    for component in ["vae", "image_encoder", "pipeline/image_encoder_2"] {
        assert_roles(component, tower);
    }
    assert_roles("vocoder", "x.norm.weight audio");
    assert_roles("text_encoder", "x.norm.weight norm");
    assert_roles("2_Dense", "linear.weight head");
    assert_roles(
        "vae",
        "encoder.block.*.snake1.alpha audio encoder.conv1.weight audio",
    );
}

#[test]
fn an_alpha_is_an_adapter_only_beside_one() {
    assert_roles(
        "",
        "a.q.alpha adapter a.q.lora_down.weight adapter act.alpha other",
    );
}

#[test]
fn layer_stacks() {
    for (pattern, prefix, ordinal) in [
        ("h.*.attn.bias", "h", 0),
        ("model.layers.*.layer_scalar", "model.layers", 0),
        (
            "model.layers.*.mlp.experts.*.up_proj.weight",
            "model.layers",
            0,
        ),
        (
            "model.mtp_layers.*.input_proj.weight",
            "model.mtp_layers",
            0,
        ),
        (
            "decoder.block.*.layer.*.layer_norm.weight",
            "decoder.block",
            0,
        ),
        (
            "albert_layer_groups.*.albert_layers.*.ffn.weight",
            "albert_layer_groups",
            0,
        ),
        (
            "encoder.blocks.*.*.ffn.linear_1.weight",
            "encoder.blocks",
            0,
        ),
        (
            "transformer_blocks.*.ff.net.*.weight",
            "transformer_blocks",
            0,
        ),
        (
            "visual.transformer.resblocks.*.ln_1.weight",
            "visual.transformer.resblocks",
            0,
        ),
        (
            "towers.*.stages.*.blocks.*.norm.weight",
            "towers.*.stages.*.blocks",
            2,
        ),
    ] {
        assert_eq!(
            layer_stack(pattern),
            Some((prefix.len(), ordinal)),
            "{pattern}"
        );
        assert!(pattern.starts_with(prefix));
    }
    let none = "visual.merger.mlp.*.weight img_projection.*.weight aligner.layers.*.weight
                layers layers.* *.layers";
    for pattern in none.split_ascii_whitespace().chain([""]) {
        assert_eq!(layer_stack(pattern), None, "{pattern}");
    }
}

#[test]
fn multi_token_prediction_markers() {
    let modules = MTP_MARKERS
        .iter()
        .copied()
        .chain(["transformer.shared_head"]);
    for pattern in modules.map(|module| format!("model.layers.*.{module}.weight")) {
        assert_eq!(mtp_marker(&pattern), Some("model.layers.*"), "{pattern}");
        assert_eq!(classify(&pattern), Role::Mtp, "{pattern}");
    }
    let none = "model.layers.*.self_attn.q_proj.weight model.layers.*.mlp.enorm.weight
                model.embed_tokens.weight eh_proj.weight layers.*";
    for pattern in none.split_ascii_whitespace().chain([""]) {
        assert_eq!(mtp_marker(pattern), None, "{pattern}");
    }
}

#[test]
fn buffers_are_told_from_learned_tensors() {
    let buffers = "h.*.attn.bias transformer.h.*.attn.bias transformer.h.*.attn.masked_bias
                   transformer.h.*.attn.attention.bias transformer.h.*.attn.attention.masked_bias
                   gpt_neox.layers.*.attention.bias gpt_neox.layers.*.attention.masked_bias
                   model.layers.*.self_attn.rotary_emb.inv_freq bert.embeddings.position_ids
                   bn1.num_batches_tracked bn1.running_var rope.freqs betas
                   motion_modules.*.transformer_blocks.*.pos_embed.pe";
    for pattern in buffers.split_ascii_whitespace() {
        assert!(is_buffer(pattern), "{pattern}");
    }
    let learned = "h.*.attn.c_attn.bias transformer.h.*.attn.attention.out_proj.bias attn.bias
                   gpt_neox.layers.*.attention.dense.bias encoder.layer.*.attention.self.query.bias
                   model.layers.*.mlp.gate.e_score_correction_bias final_logits_bias act.alpha
                   model.layers.*.mlp.up_proj.weight model.layers.*.layer_scalar x.betas";
    for pattern in learned.split_ascii_whitespace().chain([""]) {
        assert!(!is_buffer(pattern), "{pattern}");
    }
}

#[test]
fn hostile_names_do_no_harm() {
    let deep = "a.".repeat(5_000);
    let stars = "*.".repeat(5_000);
    let layers = "layers.*.".repeat(5_000);
    let long = "norm".repeat(5_000);
    let wild = format!("lora_{}", "a_".repeat(20_000));
    let odd = ". ... * *.* layers.* layers.*. .*. ^ $ # model..weight \u{0} é.ü İ.norm 🦀.*.🦀
               模型.layers.*.注意力 layers.*.\u{301}enorm";
    let mut patterns: Vec<&str> = odd.split_ascii_whitespace().collect();
    patterns.extend(["", &*deep, &*stars, &*layers, &*long, &*wild]);
    for pattern in &patterns {
        let _ = (classify(pattern), is_buffer(pattern));
        if let Some((end, ordinal)) = layer_stack(pattern) {
            assert!(pattern[end..].starts_with(".*"));
            assert!(ordinal < pattern.matches('*').count());
        }
        if let Some(prefix) = mtp_marker(pattern) {
            assert!(pattern.starts_with(prefix) && prefix.ends_with(".*"));
        }
    }
    assert_eq!(assign(&patterns, "...").len(), patterns.len());
    assert_eq!(classify(&deep), Role::Other);
    assert!(assign(&[], "vae").is_empty());
}

#[test]
fn names_full_of_context_globs_are_assigned_alike() {
    let tail = ".fc.conv1.layers.*.self_attn".repeat(9);
    let names: Vec<String> = (0..2_000).map(|row| format!("p{row}{tail}")).collect();
    let patterns: Vec<&str> = names.iter().map(String::as_str).collect();
    let roles = assign(&patterns, "");
    assert!(roles.iter().all(|role| *role == roles[0]));
}
