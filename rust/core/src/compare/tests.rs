use super::{Comparison, Entry};
use crate::model::{Model, builtin};
use std::sync::Arc;

fn entry(name: &str) -> Entry {
    let config = builtin::find(name).map(|known| known.config.clone());
    Entry {
        model: Arc::new(Model::of(name.to_owned(), None, config, None)),
        assume: None,
        variant: None,
    }
}

#[test]
fn a_model_is_the_same_as_itself() {
    for known in builtin::ALL.iter() {
        let both = [entry(&known.name), entry(&known.name)];
        let comparison = Comparison::of(&both, &[]).unwrap();
        for row in comparison.rows() {
            let missing = row.why.iter().any(Option::is_some);
            assert!(row.same || missing, "{}: {}", known.name, row.key);
            assert!(row.meaning.iter().all(Option::is_none), "{}", row.key);
        }
    }
}
