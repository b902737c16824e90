//! Free loopback addresses for a fleet; several fleets may run at once.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use super::LabError;

/// Most web servers: one /24 network of loopback holds the whole fleet.
pub const MOST_WEB: usize = 200;

/// Ports to try in turn: ssh, web application, site. Somebody may listen on one of them on every address.
const PORTS: [(u16, u16, u16); 3] = [(2222, 8080, 8000), (22022, 18080, 18000), (22922, 28080, 28000)];
const TRIES: usize = 60;

/// Addresses and ports that were free a moment ago.
#[derive(Debug)]
pub(super) struct Addresses {
    pub balancer: Ipv4Addr,
    pub web: Vec<Ipv4Addr>,
    pub ssh_port: u16,
    pub http_port: u16,
    pub site_port: u16,
}

/// Draws a random network of loopback and makes sure that nobody listens there.
pub(super) fn choose(web: usize) -> Result<Addresses, LabError> {
    choose_where(web, free)
}

fn free(address: Ipv4Addr, port: u16) -> bool {
    TcpListener::bind(SocketAddrV4::new(address, port)).is_ok()
}

fn choose_where(web: usize, free: impl Fn(Ipv4Addr, u16) -> bool) -> Result<Addresses, LabError> {
    for attempt in 0..TRIES {
        // Two fleets that start at the same moment must not draw the same network, hence no fixed order.
        let random = uuid::Uuid::new_v4();
        let [a, b, ..] = random.into_bytes();
        let host = |n: usize| u8::try_from(n).map(|n| Ipv4Addr::new(127, 16 + a % 224, b, n));
        let (ssh_port, http_port, site_port) = PORTS[attempt % PORTS.len()];
        let (Ok(balancer), Ok(web)) = (host(10), (1..=web).map(|n| host(10 + n)).collect::<Result<Vec<_>, _>>()) else {
            break;
        };
        if free(balancer, ssh_port) && free(balancer, site_port) && web.iter().all(|w| free(*w, ssh_port) && free(*w, http_port)) {
            return Ok(Addresses {
                balancer,
                web,
                ssh_port,
                http_port,
                site_port,
            });
        }
    }
    Err(LabError::NoAddress { hosts: web + 1 })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn avoids_ports_that_are_taken() {
        // The first set cannot be had anywhere, whoever else is on this machine: the second one is drawn.
        let taken: Vec<u16> = [PORTS[0].0, PORTS[0].1, PORTS[0].2].into();
        let chosen = choose_where(3, |address, port| !taken.contains(&port) && address.is_loopback()).unwrap();
        assert_eq!((chosen.ssh_port, chosen.http_port, chosen.site_port), PORTS[1]);
        assert_eq!(chosen.web.len(), 3);
        // One web server's port is enough to look elsewhere.
        let chosen = choose_where(3, |address, port| port != PORTS[0].1 || address.octets()[3] != 13).unwrap();
        assert_ne!(chosen.http_port, PORTS[0].1);
        assert!(matches!(choose_where(3, |_, _| false), Err(LabError::NoAddress { .. })));
        assert!(matches!(choose(300), Err(LabError::NoAddress { .. })));
    }

    #[test]
    fn a_port_is_free_until_somebody_listens() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!free(Ipv4Addr::LOCALHOST, port));
    }
}
