//! Where webhooks may go: not into this machine, nor into the networks behind it, unless somebody said so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::WebhookError;

/// Bytes of a URL at most.
const URL_BYTES_MAX: usize = 2_048;

/// Checks a URL before it is taken: HTTPS to a public address, or to a name. What a name leads to is checked at each delivery.
pub(crate) fn check_url(url: &str, private_targets: bool) -> Result<Url, WebhookError> {
    let refused = |reason: &str| WebhookError::Url { url: url.to_owned(), reason: reason.to_owned() };
    if url.len() > URL_BYTES_MAX {
        return Err(refused("it is longer than 2,048 bytes"));
    }
    let parsed = Url::parse(url).map_err(|error| refused(&error.to_string()))?;
    match parsed.scheme() {
        "https" => {}
        "http" if private_targets => {}
        _ => return Err(refused("it is not https")),
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(refused("it holds a user or a password"));
    }
    let host = parsed.host_str().ok_or_else(|| refused("it has no host"))?;
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    if literal.is_some_and(|address| !private_targets && !is_public(address)) {
        return Err(refused("its address is not a public one"));
    }
    Ok(parsed)
}

/// Whether an address can be somebody else's on the internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = address.is_unspecified()
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || first == 0
        // Shared by carriers, protocol assignments, benchmarks, reserved.
        || (first == 100 && (64..128).contains(&second))
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && (18..20).contains(&second))
        || first >= 240;
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // An address of the old kind within one of the new: mapped, translated (64:ff9b::/96), tunnelled (2002::/16).
    let parts = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    if parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return is_public_v4(v4(parts[6], parts[7]));
    }
    if parts[0] == 0x2002 {
        return is_public_v4(v4(parts[1], parts[2]));
    }
    // Only 2000::/3 is given out; of it, 2001::/23 is special and 2001:db8::/32 for documents.
    parts[0] & 0xe000 == 0x2000
        && !(parts[0] == 0x2001 && parts[1] < 0x200)
        && !(parts[0] == 0x2001 && parts[1] == 0xdb8)
}

/// Resolves names, and keeps of what they lead to only what may be gone to: so it is the address that is connected to which was
/// checked, whatever the name says a moment later.
pub(crate) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> =
                found.into_iter().filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                let why = format!("{name} leads to no public address, and private targets are not allowed");
                return Err(why.into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_gone_to() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "198.18.0.1",
            "192.0.0.8",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "203.0.113.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
            let host = if private.contains(':') { format!("[{private}]") } else { private.to_owned() };
            assert!(check_url(&format!("https://{host}/hook"), false).is_err(), "{private}");
        }
        for public in ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn a_url_that_hides_its_address_is_read_as_one() {
        // What the standard for URLs makes of such hosts is what would be connected to.
        for hidden in ["https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/"] {
            assert!(check_url(hidden, false).is_err(), "{hidden}");
        }
        for refused in
            ["http://example.com/", "ftp://example.com/", "https://a:b@example.com/", "nonsense", "https://"]
        {
            assert!(check_url(refused, false).is_err(), "{refused}");
        }
        assert!(check_url("https://example.com/hook", false).is_ok());
        assert!(check_url("http://127.0.0.1:8080/hook", true).is_ok());
    }
}
