//! Keys of the configuration file.

use walcast_delivery::ConnectorSetting;

/// Key of a connector's setting in the configuration file.
pub(crate) fn setting_name(setting: ConnectorSetting) -> &'static str {
    match setting {
        ConnectorSetting::SourceUrl => "[postgres] url",
        ConnectorSetting::Slot => "[postgres] slot",
        ConnectorSetting::Failover => "[postgres] failover",
        ConnectorSetting::Tables => "[postgres] tables",
        ConnectorSetting::Partitions => "[postgres] partitions",
        ConnectorSetting::SnapshotMode => "[snapshot] mode",
        ConnectorSetting::SnapshotFilters => "[[snapshot.filters]]",
        ConnectorSetting::SnapshotUser => "[snapshot] user",
        ConnectorSetting::StandbyUrl => "[snapshot] standby_url",
        ConnectorSetting::Keys => "[[keys]]",
        ConnectorSetting::WalDiskSize => "[slot_monitor] wal_disk_size",
    }
}
