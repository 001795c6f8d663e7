//! `[admin]`: whether the port is open, and hosts by which clients may address it.

use expect_test::expect;

use super::{check_error, parse, with};
use crate::config::Host;

#[test]
fn hosts_are_names_and_addresses_without_ports() {
    let lines =
        "url = \"http://Shop.example:8080/\"\nallowed_hosts = [\"Walcast.shop.svc\", \"10.0.0.9\", \"::1\"]";
    let admin = parse(&with("admin", lines)).unwrap().admin;
    let expected = ["walcast.shop.svc", "10.0.0.9", "[::1]"].map(|host| Host::parse(host).unwrap());
    assert_eq!(admin.allowed_hosts, expected);
    assert_eq!(admin.url_host(), Host::parse("shop.example"));
    for wrong in ["walcast:8080", "http://walcast", "*.shop.svc", "", "*"] {
        let text = with("admin", &format!("allowed_hosts = [{wrong:?}]"));
        assert!(parse(&text).is_err(), "{wrong:?}");
    }
    check_error(
        &with("admin", "allowed_hosts = [\"walcast:8080\"]"),
        expect![[
            r#"walcast.toml:14:1: admin.allowed_hosts is "walcast:8080"; expected DNS names and IP addresses without a port, such as "walcast.shop.svc""#
        ]],
    );
}

#[test]
fn the_admin_server_can_be_disabled() {
    for off in ["", "off"] {
        assert_eq!(
            parse(&with("admin", &format!("listen = {off:?}")))
                .unwrap()
                .admin
                .listen,
            None
        );
    }
}
