//! Drives the played Clio over HTTP, as the service does.

#[cfg(test)]
mod contacts;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod matters;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod play;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod uploads;
