//! What the first bytes of an input choose.

use walcast_mapper::config::{
    ArrayMode, BinaryMode, DebeziumVersion, DecimalMode, Encoding, FieldAdjustment, FlatDeletes,
    HashAlgorithm, HashRule, HashVersion, HstoreMode, IntervalMode, MaskRule, MissingNotNull,
    NullWithDefault, Shape, TimeMode, TruncateRule, TypeModes, UnknownMode, UnwritableMode,
};
use walcast_mapper::pattern::ColumnPattern;
use walcast_mapper::{MapperConfig, Secret};
use walcast_pgoutput::ReplicaIdentity;

use super::input::{Input, InputColumn};

/// The configuration, and what happened.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    config: MapperConfig,
    rules: Bits,
    pub(super) identity: ReplicaIdentity,
    pub(super) happened: Happened,
}

/// What happened to the row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happened {
    Insert,
    Update,
    UpdateOfKey,
    UpdateOfAll,
    DeleteByKey,
    DeleteOfAll,
    Read,
}

/// Eight choices.
#[derive(Clone, Copy, Debug)]
struct Bits(u8);

impl Bits {
    fn has(self, bit: u8) -> bool {
        self.0 & (1 << bit) != 0
    }
}

impl Settings {
    /// Reads [`super::SETTINGS`] bytes.
    pub(super) fn take(input: &mut Input<'_>) -> Self {
        let mut config = MapperConfig::new("p", "db");
        config.types = types(input);
        let choices = Bits(input.byte());
        let choose = |bit, what: &mut dyn FnMut()| {
            if choices.has(bit) {
                what()
            }
        };
        choose(0, &mut || config.types.interval = IntervalMode::String);
        choose(1, &mut || config.types.hstore = HstoreMode::Map);
        choose(2, &mut || config.types.arrays = ArrayMode::Text);
        choose(3, &mut || config.types.unwritable = UnwritableMode::Null);
        choose(4, &mut || config.missing_not_null = MissingNotNull::Null);
        choose(5, &mut || config.null_with_default = NullWithDefault::Null);
        choose(6, &mut || config.tombstones_on_delete = false);
        choose(7, &mut || config.names.adjust_fields = FieldAdjustment::Avro);
        let rules = Bits(input.byte());
        if rules.has(0) {
            config.names.adjust_fields = FieldAdjustment::AvroUnicode;
        }
        let encodings = [Encoding::Avro, Encoding::Json, Encoding::JsonSchema];
        config.value = input.one_of(encodings);
        config.key = input.one_of(encodings);
        (config.shape, config.flat.deletes) = input.one_of([
            (Shape::Debezium, FlatDeletes::default()),
            (Shape::Flat, FlatDeletes::Tombstone),
            (Shape::Flat, FlatDeletes::Drop),
            (Shape::Flat, FlatDeletes::Rewrite),
            (Shape::Flat, FlatDeletes::RewriteWithTombstone),
            (Shape::Flat, FlatDeletes::DeleteToTombstone),
            (Shape::CloudEvents, FlatDeletes::default()),
        ]);
        Self {
            config,
            rules,
            identity: input.one_of([
                ReplicaIdentity::Default,
                ReplicaIdentity::Full,
                ReplicaIdentity::Index,
                ReplicaIdentity::Nothing,
            ]),
            happened: input.one_of([
                Happened::Insert,
                Happened::Update,
                Happened::UpdateOfKey,
                Happened::UpdateOfAll,
                Happened::DeleteByKey,
                Happened::DeleteOfAll,
                Happened::Read,
            ]),
        }
    }

    /// The configuration, with the rules that were chosen for these columns: each is about one of them.
    pub(super) fn config(&self, columns: &[InputColumn<'_>]) -> MapperConfig {
        let mut config = self.config.clone();
        let rules = &mut config.columns;
        let about = |place: usize| -> Vec<ColumnPattern> {
            let column = columns
                .get(place)
                .map(|column| format!("public.t.{}", column.name()));
            column
                .and_then(|pattern| pattern.parse().ok())
                .into_iter()
                .collect()
        };
        if self.rules.has(1) {
            rules.exclude = about(0);
        }
        if self.rules.has(2) {
            rules.mask = vec![MaskRule {
                columns: about(1),
                length: 3,
            }];
        }
        if self.rules.has(3) {
            rules.truncate = vec![TruncateRule {
                columns: about(2),
                length: 5,
            }];
        }
        if self.rules.has(4) {
            rules.hash = vec![HashRule {
                columns: about(3),
                algorithm: HashAlgorithm::Sha256,
                salt: Secret::new("salt"),
                version: if self.rules.has(5) {
                    HashVersion::V1
                } else {
                    HashVersion::V2
                },
            }];
        }
        if self.rules.has(5) {
            config.debezium_version = DebeziumVersion::V3_6;
        }
        if self.rules.has(6) {
            rules.propagate_types = (0..columns.len()).flat_map(about).collect();
        }
        if self.rules.has(7) {
            let added = ["op", "ts_ms", "source.lsn", "source.origin"].map(|part| part.to_owned().try_into());
            config.flat.fields = added.into_iter().filter_map(Result::ok).collect();
            config.flat.headers.clone_from(&config.flat.fields);
        }
        config
    }
}

fn types(input: &mut Input<'_>) -> TypeModes {
    TypeModes {
        decimal: input.one_of([DecimalMode::Precise, DecimalMode::Double, DecimalMode::String]),
        time: input.one_of([
            TimeMode::Adaptive,
            TimeMode::AdaptiveTimeMicroseconds,
            TimeMode::Connect,
            TimeMode::Isostring,
            TimeMode::Microseconds,
            TimeMode::Nanoseconds,
        ]),
        binary: input.one_of([
            BinaryMode::Bytes,
            BinaryMode::Base64,
            BinaryMode::Base64UrlSafe,
            BinaryMode::Hex,
        ]),
        unknown: input.one_of([UnknownMode::Keep, UnknownMode::Drop, UnknownMode::Bytes]),
        money_fraction_digits: input.one_of([2, 0, 1, 3, 4, 8]),
        ..TypeModes::default()
    }
}
