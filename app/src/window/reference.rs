use std::collections::BTreeMap;
use std::sync::Arc;

use voco_data::ClassName;
use voco_engine_api::built_in_tasks;
use voco_io::LabelNames;
use voco_label::LabelMap;
use voco_render::{LabelTexture, RenderContext};
use voco_ui::{OpenLabels, VolumeId};
use voco_volume::{LabelEntry, LabelTable, Rescale, Volume, Voxels};

/// A reference that is to be compared with a label map whose ids may mean something else.
pub(super) struct Match {
    /// Over which volume both lie.
    pub volume_id: VolumeId,
    /// As it was opened.
    pub reference: OpenLabels,
    /// Ids and names of the label map.
    pub table: LabelTable,
    /// The same as one text.
    pub key: String,
    /// For the texture.
    pub render: RenderContext,
}

/// The reference with the label map's ids where the names are the same, and how many of its classes have no counterpart; those become
/// background, since the label map cannot be right or wrong about them. `None` if the ids agree already, or the names say nothing.
///
/// # Errors
/// If it is no label map, or too large for the graphics memory.
pub(super) fn matched(wanted: &Match) -> Result<Option<(OpenLabels, usize)>, String> {
    let Some((ids, left_out)) = new_ids(&wanted.reference.table, &wanted.table) else { return Ok(None) };
    let sentence = |e: &dyn std::fmt::Display| format!("{}: {e}.", wanted.reference.name);
    let map = LabelMap::from_volume(&wanted.reference.volume).map_err(|e| sentence(&e))?;
    let values: Vec<u16> = map.values().to_u32().into_iter().map(|id| ids.get(&id).copied().unwrap_or(0)).collect();
    let voxels = Voxels::U16(values.into());
    let geometry = *wanted.reference.volume.geometry();
    let volume = Volume::new(geometry, voxels, Rescale::IDENTITY).map_err(|e| sentence(&e))?;
    let name = |id: u16| wanted.table.get(id).map(|entry| entry.name.clone());
    let table = LabelTable::from_ids(ids.values().copied().filter(|&id| id != 0), name);
    let texture = LabelTexture::upload(&wanted.render, &volume, &table).map_err(|e| sentence(&e))?;
    let labels = OpenLabels { volume, table, texture: Arc::new(texture), ..wanted.reference.clone() };
    Ok(Some((labels, left_out)))
}

/// The label map's id for each id of the reference, 0 where it has none, and how many have none.
fn new_ids(reference: &LabelTable, labels: &LabelTable) -> Option<(BTreeMap<u32, u16>, usize)> {
    let names: LabelNames = reference.entries().iter().map(|entry| (entry.id, entry.name.clone())).collect();
    let tasks = built_in_tasks();
    let synonyms = |name: &str| -> Vec<String> {
        let classes = tasks.iter().flat_map(|task| &task.classes);
        classes.filter(|class| class.name.eq_ignore_ascii_case(name)).flat_map(|class| class.also.clone()).collect()
    };
    // Two layers may have a class of the same name: the one that is on show is meant.
    let mut entries: Vec<&LabelEntry> = labels.entries().iter().collect();
    entries.sort_by_key(|entry| !entry.visible);
    let classes: Vec<ClassName> =
        entries.iter().map(|entry| ClassName { name: entry.name.clone(), synonyms: synonyms(&entry.name) }).collect();
    let map = voco_data::LabelMap::new(&names, &classes);
    let id_of = |id: u16| match map.class(id) {
        0 => 0,
        class => entries.get(usize::from(class) - 1).map_or(0, |entry| entry.id),
    };
    let ids: BTreeMap<u32, u16> = names.keys().map(|&id| (u32::from(id), id_of(id))).collect();
    let has_any = ids.values().any(|&id| id != 0);
    // One that has no counterpart may stay, unless its id means something else in the label map.
    let is_wrong =
        |(&old, &new): (&u32, &u16)| if new == 0 { labels.get(old as u16).is_some() } else { u32::from(new) != old };
    let left_out = ids.values().filter(|&&id| id == 0).count();
    (has_any && ids.iter().any(is_wrong)).then_some((ids, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[(u16, &str)]) -> LabelTable {
        let name = |id: u16| names.iter().find(|(i, _)| *i == id).map(|(_, name)| (*name).to_owned());
        LabelTable::from_ids(names.iter().map(|(id, _)| *id), name)
    }

    #[test]
    fn classes_meet_by_name_not_by_number() {
        let predicted = table(&[(1, "liver"), (2, "spleen"), (3, "kidneys")]);
        let total = table(&[
            (1, "spleen"),
            (2, "kidney right"),
            (3, "kidney left"),
            (5, "liver"),
            (6, "stomach"),
            (90, "brain"),
        ]);
        let (ids, left_out) = new_ids(&total, &predicted).expect("other ids");
        let expected = [(1, 2), (2, 3), (3, 3), (5, 1), (6, 0), (90, 0)].into_iter().collect::<BTreeMap<u32, u16>>();
        assert_eq!((ids, left_out), (expected, 2), "both kidneys are one class of the network");
        assert_eq!(new_ids(&predicted, &predicted), None, "the same ids already");
        let more = table(&[(1, "liver"), (2, "spleen"), (7, "aorta")]);
        assert_eq!(new_ids(&more, &predicted), None, "what only the reference has may stay under its own id");
        assert_eq!(new_ids(&table(&[(1, "Label 1")]), &predicted), None, "numbers say nothing");
        let mut two_layers = table(&[(1, "liver"), (2, "liver")]);
        two_layers.set_visible(1, false);
        let (ids, _) = new_ids(&predicted, &two_layers).expect("other ids");
        assert_eq!(ids[&1], 2, "the liver that is on show");
    }
}
