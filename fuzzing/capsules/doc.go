// Package capsules fuzzes the parser of the Capsule Protocol (RFC 9297, Section 3.2).
//
// What it reads must not depend on how the bytes arrive, it must take nothing that belongs to what
// follows, and an end within a capsule must never look like an end between capsules.
package capsules
