// Package mtu finds out how large packets on a path may be: Datagram Packetization Layer Path MTU Discovery (RFC 8899) as
// RFC 9000, Section 14.3 has it for QUIC.
//
// A Discoverer belongs to one path of one connection and is used by its loop only. It says which size to probe
// next and is told what became of the probe: a padded packet that carries nothing of value. Apart from that it
// watches the fate of all other packets for a path that has begun to swallow large ones (a black hole), in which case
// the size of packets falls at once and the search begins anew below the size that was lost.
//
// Messages of the network (ICMP) are not an input: RFC 9000, Section 14.2.1 warns that off-path attackers can make them
// up. The only report of the operating system that counts is that it refused to send a packet (EMSGSIZE).
//
// The package never reads a clock, sends nothing and knows no addresses.
package mtu
