//! What befalls a life: each fault as it is delivered, and as it passes.

use super::Life;
use crate::faults::Fault;
use crate::network::Weather;

impl Life {
    pub(super) fn ease(&mut self) {
        let now = self.clock.now_us();
        if self.slow_network_until > 0 && self.slow_network_until <= now {
            self.slow_network_until = 0;
            self.wires.set_weather(self.plan.weather);
        }
        if self.disk_full_until > 0 && self.disk_full_until <= now {
            self.disk_full_until = 0;
            self.storage.set_capacity(None);
        }
    }

    pub(super) fn deliver(&mut self, fault: Fault) -> Result<(), String> {
        let now = self.clock.now_us();
        self.trace.tell(now, format_args!("{fault:?}"));
        let is_up = self.server.is_some();
        match fault {
            Fault::PowerLoss | Fault::Kill if is_up => {
                let is_power = fault == Fault::PowerLoss;
                let tally = &mut self.judge.tally;
                *(if is_power { &mut tally.power_losses } else { &mut tally.kills }) += 1;
                self.crash(is_power)?;
            }
            Fault::PowerLossWithin | Fault::KillWithin if is_up => {
                self.is_power_to_go = fault == Fault::PowerLossWithin;
                self.storage.cut_power(self.chance.magnitude(1, 60));
            }
            Fault::PowerLoss | Fault::Kill | Fault::PowerLossWithin | Fault::KillWithin => {}
            Fault::Stop => {
                if let Some(server) = &self.server {
                    server.gateway.stop();
                    self.agenda.gateway = Some(now);
                }
            }
            Fault::WriteError => self.storage.fail_write(self.chance.magnitude(1, 20)),
            Fault::SyncError => self.storage.fail_sync(self.chance.magnitude(1, 8)),
            Fault::DiskFull => {
                self.disk_full_until = now + self.chance.magnitude(10_000, 5_000_000);
                self.fill_disk();
            }
            Fault::SlowDisk => {
                self.judge.tally.slow_disk += 1;
                self.slow_disk_until = now + self.chance.magnitude(10_000, 5_000_000);
            }
            Fault::SlowNetwork => {
                self.judge.tally.slow_network += 1;
                self.slow_network_until = now + self.chance.magnitude(10_000, 5_000_000);
                let Weather { delay_us: (least, most), .. } = self.plan.weather;
                self.wires.set_weather(Weather {
                    delay_us: (least * 30, most * 30),
                    pieces_max: 8,
                    ..self.plan.weather
                });
            }
            Fault::ConnectionCut | Fault::ConnectionDark => {
                let links = self.wires.whole_links();
                if !links.is_empty() {
                    let link = links[self.chance.index(links.len())];
                    if fault == Fault::ConnectionCut {
                        self.judge.tally.connection_cuts += 1;
                        self.wires.cut(link);
                    } else {
                        self.judge.tally.connection_dark += 1;
                        self.wires.darken(link);
                    }
                }
            }
            Fault::ClockBack => {
                self.judge.tally.clock_back += 1;
                self.clock.jump(-(self.chance.magnitude(1_000_000, 3_600_000_000) as i64));
            }
            Fault::ClockForward => {
                self.judge.tally.clock_forward += 1;
                self.clock.jump(self.chance.magnitude(1_000_000, 31_536_000_000_000) as i64);
                self.agenda.has_engine_more = true;
            }
            Fault::SessionReplaced | Fault::ClientCrash => self.replace_client(fault == Fault::ClientCrash),
        }
        Ok(())
    }

    fn replace_client(&mut self, is_crash: bool) {
        let index = self.chance.index(self.buyers.len());
        let session = self.buyers[index].session;
        self.judge.abandon(session);
        if let Some(link) = self.buyers[index].link()
            && self.chance.one_in(2)
        {
            self.wires.darken(link);
        }
        let tally = &mut self.judge.tally;
        *(if is_crash { &mut tally.client_crashes } else { &mut tally.sessions_replaced }) += 1;
        let chance = self.chance.branch();
        let buyer = &mut self.buyers[index];
        buyer.replace(&self.wires, chance, &self.plan);
        if is_crash {
            buyer.back_at = Some(self.clock.now_us() + self.chance.magnitude(1_000, 20_000_000));
        }
    }
}
