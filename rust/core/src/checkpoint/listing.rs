//! The table of a checkpoint's tensors, one row each.

use super::body::Checkpoint;
use super::role::Role;
use crate::table::{Column, Table, Texts};
use std::collections::HashMap;

/// A category column under construction.
#[derive(Default)]
struct Categories {
    values: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Categories {
    fn code(&mut self, value: &str) -> u32 {
        if let Some(&code) = self.ids.get(value) {
            return code;
        }
        // There are no more values than groups or files.
        let code = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(value.to_owned());
        self.ids.insert(value.to_owned(), code);
        code
    }
}

/// What all tensors of a group share in the table.
struct Shared {
    dtype: u32,
    stack: Option<(u32, usize)>,
}

impl Checkpoint {
    /// One row per tensor, file by file in path order, tensors as in the header. Columns: `name`, `role`, `dtype`,
    /// `shape` (as stored), `parameters` (logical), `bytes` (as stored), `stack` (as `model.layers`, empty outside
    /// all layers), `layer` (missing outside), `file`, `offset` (of the data in its file, in bytes).
    #[must_use]
    pub fn table(&self) -> Table {
        let rows: usize = self.files.iter().map(|file| file.tensors.len()).sum();
        let mut dtypes = Categories::default();
        let mut stacks = Categories::default();
        let no_stack = stacks.code("");
        let shared: Vec<Shared> = self
            .groups
            .iter()
            .map(|group| Shared {
                dtype: dtypes.code(group.form.dtype.name()),
                stack: self
                    .stack(group)
                    .map(|(stack, ordinal)| (stacks.code(&stack), ordinal)),
            })
            .collect();
        let mut names = Texts::default();
        names.joined.reserve(rows * 56);
        names.ends.reserve(rows);
        let [mut roles, mut dtype_codes, mut stack_codes, mut files] =
            [const { Vec::<u32>::new() }; 4].map(|mut column| {
                column.reserve(rows);
                column
            });
        let [mut parameters, mut bytes, mut offsets, mut items] = [const { Vec::<u64>::new() }; 4]
            .map(|mut column| {
                column.reserve(rows);
                column
            });
        let mut layers: Vec<Option<u32>> = Vec::with_capacity(rows);
        let mut shape_ends: Vec<usize> = Vec::with_capacity(rows);
        for (ordinal, file) in (0_u32..).zip(&self.files) {
            for tensor in &file.tensors {
                let id = file.group(tensor);
                let (group, shared) = (&self.groups[id], &shared[id]);
                let numbers = tensor.numbers(&group.form, &file.numbers);
                group.form.pattern.write_name(numbers, &mut names.joined);
                names.end_row();
                roles.push(group.role as u32);
                dtype_codes.push(shared.dtype);
                stack_codes.push(shared.stack.map_or(no_stack, |(stack, _)| stack));
                layers.push(shared.stack.map(|(_, ordinal)| numbers[ordinal]));
                items.extend_from_slice(&group.form.shape);
                shape_ends.push(items.len());
                parameters.push(group.parameters);
                bytes.push(group.form.bytes);
                files.push(ordinal);
                offsets.push(file.data_offset(tensor));
            }
        }
        let category = |codes, values| Column::Category { codes, values };
        let role_names = Role::ALL.map(|role| role.name().to_owned()).to_vec();
        let file_names = self.files.iter().map(|file| self.file_name(file)).collect();
        Table::new(
            rows,
            vec![
                ("name", Column::Text(names)),
                ("role", category(roles, role_names)),
                ("dtype", category(dtype_codes, dtypes.values)),
                (
                    "shape",
                    Column::Lists {
                        items,
                        ends: shape_ends,
                    },
                ),
                ("parameters", Column::Unsigned(parameters)),
                ("bytes", Column::Unsigned(bytes)),
                ("stack", category(stack_codes, stacks.values)),
                ("layer", Column::Optional(layers)),
                ("file", category(files, file_names)),
                ("offset", Column::Unsigned(offsets)),
            ],
        )
    }
}
