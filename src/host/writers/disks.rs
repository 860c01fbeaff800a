//! Finds the files on NFS servers that a domain's disk stands for. A disk that is plugged into a running domain is in no command
//! line, but in the XML that libvirt keeps of it.

use roxmltree::{Document, Node};

use super::words::NfsFile;

/// The files of a disk, from its XML: what the guest writes to, and what that stands on. The domain writes to a disk that it shares
/// with others, too.
pub fn disk_files(xml: &str) -> Vec<NfsFile> {
    // What is no XML names no file.
    let Ok(document) = Document::parse(xml) else { return Vec::new() };
    let disk = document.root_element();
    let source = file_of(disk, child(disk, "readonly").is_none());
    // A copy of the disk goes there.
    let mirror = child(disk, "mirror").and_then(|mirror| file_of(mirror, true));
    let mut files: Vec<NfsFile> = source.into_iter().chain(mirror).collect();
    let mut below = child(disk, "backingStore");
    while let Some(store) = below {
        files.extend(file_of(store, false));
        below = child(store, "backingStore");
    }
    files
}

fn file_of(above: Node<'_, '_>, writes: bool) -> Option<NfsFile> {
    let source = child(above, "source").filter(|source| source.attribute("protocol") == Some("nfs"))?;
    let server = child(source, "host")?.attribute("name")?.to_owned();
    let path = source.attribute("name")?.trim_start_matches('/');
    Some(NfsFile { server, path: format!("/{path}"), writes, brings_others: false })
}

fn child<'a, 'b>(node: Node<'a, 'b>, name: &str) -> Option<Node<'a, 'b>> {
    node.children().find(|child| child.has_tag_name(name))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn found(more: &str) -> Vec<NfsFile> {
        let source = "<source protocol='nfs' name='/export/a' index='1'><host name='198.18.0.1'/></source>";
        let base = source.replace("/export/a", "/export/base");
        let disk = format!("{source}<backingStore type='network' index='2'>{base}</backingStore>{more}");
        disk_files(&format!("<disk type='network' device='disk'>{disk}<target dev='vdb'/></disk>"))
    }

    fn file(path: &str, writes: bool) -> NfsFile {
        NfsFile { server: "198.18.0.1".into(), path: path.into(), writes, brings_others: false }
    }

    #[rstest]
    #[case::alone("", true)]
    #[case::shared("<shareable/>", true)]
    #[case::read("<readonly/>", false)]
    fn a_disk_is_written_unless_it_is_read_only(#[case] more: &str, #[case] writes: bool) {
        assert_eq!(found(more), [file("/export/a", writes), file("/export/base", false)]);
    }

    #[test]
    fn a_copy_of_a_disk_is_written() {
        let mirror = "<mirror type='network' job='copy'><source protocol='nfs' name='export/b'>\
                      <host name='198.18.0.1'/></source></mirror>";
        let files = [("/export/a", true), ("/export/b", true), ("/export/base", false)];
        assert_eq!(found(mirror), files.map(|(path, writes)| file(path, writes)));
    }

    #[rstest]
    #[case::file("<disk type='file'><source file='/srv/a'/></disk>")]
    #[case::other_protocol(
        "<disk type='network'><source protocol='rbd' name='pool/a'><host name='a'/></source></disk>"
    )]
    #[case::empty("<disk type='network' device='cdrom'><readonly/></disk>")]
    #[case::no_xml("<disk type='network'")]
    fn another_disk_names_no_file(#[case] xml: &str) {
        assert!(disk_files(xml).is_empty());
    }
}
