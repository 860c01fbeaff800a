//! What the check says of itself.

use crate::check::{About, Advice, Moment};

pub static ABOUT: About = About {
    id: "leftovers",
    summary: "nothing left behind",
    how: "both hosts at the end, when every guest is home, against before the first move: processes, network links (of a host that does \
          more than run guests: taps, and ports of the guests' bridge), sockets that listen, files of libvirt and QEMU and their lengths, \
          file descriptors and memory of libvirt's daemons; of a host that nobody else uses also mounts, addresses, routes, rules of routing, the packet \
          filter with the elements of its sets, queues of links, neighbours that a bridge was told, shared memory, forwarding, and files in \
          /tmp, /var/tmp, /root and /run; of such a storage server processes, files, and descriptors and memory of the NFS server; not \
          logs, caches and images, and of sets no elements that packets add or that expire. No file may grow by a byte. A daemon may open \
          16 descriptors more in a scenario, and may grow by 64 descriptors and 128 MiB in all scenarios of a run, in whichever of its \
          processes they are played",
    asked: &[Moment::End],
    advice: &[LEFT, HELD],
    goes_on: true,
    ..About::BASE
};

pub const LEFT: Advice = Advice::new(
    "something is left on a host",
    "the scenario's migrations made it, or a hook of libvirt did: with every migration there will be one more. Its name, and \
     libvirtd.log of that host in the evidence, say who",
);

pub const HELD: Advice = Advice::new(
    "a daemon holds more and more",
    "ls -l /proc/PID/fd on that host says what it has open; is a client connected that should not be, or does the daemon leak?",
);
