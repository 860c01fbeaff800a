//! A catalogue's values to what they mean.

use std::ops::RangeInclusive;

use toml::Spanned;

use super::{
    BootFirmware, Catalogue, DiskFormat, DiskKind, DomainTemplate, GuestGroup, HarmlessLine, Identity,
    ListedImage, MOST_GUESTS, Master, MasterFiles, raw,
};
use crate::axis::AxisValue;
use crate::failure::InputError;
use crate::failure::input::InputFile;
use crate::inventory::Arch;
use crate::inventory::file::Folders;

type Result<T> = std::result::Result<T, InputError>;

/// Ways in which other tools give an identity, and which have no value here.
const OTHER_IDENTITIES: [&str; 2] = ["ignition", "ssh"];

pub(super) fn catalogue(
    source: InputFile<'_>,
    raw: &raw::File,
    folders: &Folders<'_>,
    masters: MasterFiles,
) -> Result<Catalogue> {
    let reader = Reader { source, folders, masters };
    let lacks = |what: &str, table: &str| {
        Err(source.error(0..0, what, "", &[format!("allowed: one `[[{table}]]` or more")]))
    };
    if raw.image.is_empty() {
        return lacks("the catalogue has no image", "image");
    }
    if raw.guest.is_empty() {
        return lacks("the catalogue has no guest", "guest");
    }
    let mut images: Vec<ListedImage> = Vec::new();
    for written in &raw.image {
        let image = reader.image(written)?;
        if images.iter().any(|other| other.name == image.name) {
            let what = format!("two images have the name `{}`", image.name);
            return Err(reader.wrong(&written.name, &what, "each name once"));
        }
        images.push(image);
    }
    let mut groups: Vec<GuestGroup> = Vec::new();
    for written in &raw.guest {
        let group = reader.group(written, &images)?;
        let before: u32 = groups.iter().map(|group| group.count).sum();
        if before + group.count > MOST_GUESTS {
            let what = format!("the catalogue has {} guests up to here", before + group.count);
            let place = written.count.as_ref().map_or(written.image.span(), Spanned::span);
            return Err(source.error(place, &what, "", &[format!("allowed: {MOST_GUESTS} together")]));
        }
        groups.push(group);
    }
    can_be_together(&images, &groups)?;
    Ok(Catalogue { name: source.name.to_owned(), images, groups })
}

/// Makes sure that no two guests have what one guest alone can have on a host.
fn can_be_together(images: &[ListedImage], groups: &[GuestGroup]) -> Result<()> {
    let mut used: Vec<(&DomainTemplate, u32)> = Vec::new();
    for group in groups {
        let image = images.iter().find(|image| image.name == group.image);
        let Some(domain) = image.and_then(|image| image.domain.as_ref()) else { continue };
        match used.iter_mut().find(|(other, _)| other.path == domain.path) {
            Some((_, guests)) => *guests += group.count,
            None => used.push((domain, group.count)),
        }
    }
    for (at, (domain, guests)) in used.iter().enumerate() {
        if *guests > 1 {
            domain.is_for_several()?;
        }
        used[..at].iter().try_for_each(|(other, _)| domain.is_for_guests_beside(other))?;
    }
    Ok(())
}

struct Reader<'a> {
    source: InputFile<'a>,
    folders: &'a Folders<'a>,
    masters: MasterFiles,
}

impl Reader<'_> {
    fn wrong<T>(&self, place: &Spanned<T>, what: &str, allowed: &str) -> InputError {
        self.source.error(place.span(), what, "", &[format!("allowed: {allowed}")])
    }

    fn named<V: AxisValue>(&self, name: &Spanned<String>) -> Result<V> {
        let names: Vec<&str> = V::all().iter().map(|value| value.name()).collect();
        let what = format!("value of `{}`", V::AXIS);
        self.source.one_of(name, &what, &names, None).map(|place| V::all()[place])
    }

    fn image(&self, raw: &raw::Image) -> Result<ListedImage> {
        let firmware = self.named(&raw.firmware)?;
        let identity = self.identity(&raw.identity)?;
        let arch: Option<Arch> = raw
            .arch
            .as_ref()
            .map(|arch| self.source.one_of(arch, "architecture", &arch_names(), None))
            .transpose()?
            .map(|place| Arch::ALL[place]);
        let boots_by_kernel = firmware == BootFirmware::Kernel;
        if boots_by_kernel != (identity == Identity::Kernel) {
            let what = format!("an image that boots by `{firmware}` cannot get its identity by `{identity}`");
            let allowed = if boots_by_kernel {
                "`kernel`, with this firmware"
            } else {
                "`cloud-init`, with this firmware"
            };
            return Err(self.wrong(&raw.identity, &what, allowed));
        }
        if boots_by_kernel {
            self.is_built_by_multivm(raw)?;
        }
        Ok(ListedImage {
            name: self.name(&raw.name)?,
            firmware,
            identity,
            arch: if boots_by_kernel { arch } else { Some(self.booting_arch(raw, arch)?) },
            user: raw.user.as_ref().map_or_else(|| Ok("root".to_owned()), |user| self.user(user))?,
            master: if boots_by_kernel { None } else { Some(self.master(raw)?) },
            disk: raw.disk.as_ref().map_or(Ok(DiskKind::Overlay), |disk| self.named(disk))?,
            allowed_lines: raw.kernel_log.allow.iter().map(|line| self.line(line)).collect::<Result<_>>()?,
            domain: raw.domain.as_ref().map(|path| self.domain(path, firmware)).transpose()?,
        })
    }

    fn identity(&self, written: &Spanned<String>) -> Result<Identity> {
        if OTHER_IDENTITIES.contains(&written.get_ref().as_str()) {
            let what =
                format!("guests that get their identity by `{}` are not supported yet", written.get_ref());
            let allowed = "`kernel`, `cloud-init`: an image without it needs cloud-init installed";
            return Err(self.wrong(written, &what, allowed));
        }
        self.named(written)
    }

    /// Makes sure that nothing is said of the image that multivm builds, which is as it is.
    fn is_built_by_multivm(&self, raw: &raw::Image) -> Result<()> {
        let said = [
            ("file", &raw.file),
            ("sha256", &raw.sha256),
            ("user", &raw.user),
            ("domain", &raw.domain),
            ("disk", &raw.disk),
        ];
        match said.into_iter().find_map(|(key, value)| Some((key, value.as_ref()?))) {
            Some((key, value)) => {
                let what = format!("`{key}` does not belong to an image that boots by `kernel`");
                Err(self.wrong(value, &what, "the image that multivm builds, or another firmware"))
            }
            None => Ok(()),
        }
    }

    /// The architecture of an image with a boot loader of its own.
    fn booting_arch(&self, raw: &raw::Image, arch: Option<Arch>) -> Result<Arch> {
        match (&raw.arch, arch) {
            (Some(written), Some(arch)) if !arch.is_of_hosts() => {
                let what = format!("images of {arch} with a boot loader of their own are not supported yet");
                Err(self.wrong(written, &what, &format!("`{}`", Arch::OF_HOSTS)))
            }
            _ => Ok(Arch::OF_HOSTS),
        }
    }

    fn master(&self, raw: &raw::Image) -> Result<Master> {
        let Some(file) = &raw.file else {
            let what = format!("the image `{}` has no file", raw.name.get_ref());
            return Err(self.wrong(&raw.name, &what, "`file = \"PATH\"`, a qcow2 or raw image of a disk"));
        };
        let allowed = "the path of a qcow2 or raw image of a disk; a relative one begins at this file";
        let path = self.folders.resolve(file.get_ref()).filter(|_| !file.get_ref().is_empty());
        let path = path.ok_or_else(|| self.wrong(file, "this is no path", allowed))?;
        let format = match self.masters {
            MasterFiles::Needed => DiskFormat::of(&path),
            MasterFiles::Elsewhere => Ok(DiskFormat::by_name(&path)),
        };
        let format = format.map_err(|why| {
            self.wrong(file, &format!("{} cannot be booted: {why}", path.display()), allowed)
        })?;
        let sha256 = raw.sha256.as_ref().map(|hash| self.hash(hash)).transpose()?;
        Ok(Master { path, format, sha256 })
    }

    fn line(&self, raw: &raw::HarmlessLine) -> Result<HarmlessLine> {
        Ok(HarmlessLine {
            // Every line contains an empty pattern, which would allow a kernel oops.
            pattern: self.source.not_empty(&raw.pattern, "a pattern")?,
            reason: self.source.not_empty(&raw.reason, "a reason")?,
        })
    }

    fn domain(&self, file: &Spanned<String>, firmware: BootFirmware) -> Result<DomainTemplate> {
        let path = self.folders.resolve(file.get_ref()).filter(|_| !file.get_ref().is_empty());
        let allowed = "the path of a domain's XML; a relative one begins at this file";
        let path = path.ok_or_else(|| self.wrong(file, "this is no path", allowed))?;
        DomainTemplate::load(&path, firmware)
    }

    fn hash(&self, written: &Spanned<String>) -> Result<String> {
        let text = written.get_ref().to_lowercase();
        let good = text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
        good.then_some(text).ok_or_else(|| {
            self.wrong(written, "this is no SHA-256", "64 hexadecimal digits, as `sha256sum` prints them")
        })
    }

    /// A name that becomes a part of guests' host names.
    fn name(&self, written: &Spanned<String>) -> Result<String> {
        let text = written.get_ref();
        let good = (1..=32).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        good.then(|| text.clone()).ok_or_else(|| {
            let allowed = "up to 32 small letters, digits and `-`, which is neither first nor last";
            self.wrong(written, "this cannot be the name of an image: its guests have it in theirs", allowed)
        })
    }

    fn user(&self, written: &Spanned<String>) -> Result<String> {
        let text = written.get_ref();
        let good = (1..=32).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c))
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        good.then(|| text.clone()).ok_or_else(|| {
            let allowed =
                "up to 32 small letters, digits, `-` and `_`, of which a letter or `_` is the first";
            self.wrong(written, "this is no user", allowed)
        })
    }

    fn group(&self, raw: &raw::Guest, images: &[ListedImage]) -> Result<GuestGroup> {
        let names: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
        let image = &images[self.source.one_of(&raw.image, "image", &names, None)?];
        let sizes = [("vcpus", &raw.vcpus), ("memory_mib", &raw.memory_mib)];
        let sized = sizes.into_iter().find_map(|(key, value)| Some((key, value.as_ref()?)));
        if let (Some(domain), Some((key, value))) = (&image.domain, sized) {
            let what = format!(
                "the size of these guests is said twice: by `{key}`, and by {}",
                domain.path.display()
            );
            return Err(self.wrong(value, &what, "the domain's own `<vcpu>` and `<memory>`"));
        }
        let number = |written: &Option<Spanned<i64>>, what: &str, allowed: RangeInclusive<u32>| {
            written.as_ref().map(|written| self.number(written, what, allowed)).transpose()
        };
        Ok(GuestGroup {
            image: image.name.clone(),
            count: number(&raw.count, "count", 1..=MOST_GUESTS)?.unwrap_or(1),
            vcpus: number(&raw.vcpus, "vcpus", 1..=256)?,
            memory_mib: number(&raw.memory_mib, "memory_mib", 64..=1 << 20)?,
        })
    }

    fn number(&self, written: &Spanned<i64>, key: &str, allowed: RangeInclusive<u32>) -> Result<u32> {
        let number = u32::try_from(*written.get_ref()).ok().filter(|number| allowed.contains(number));
        number.ok_or_else(|| {
            let what = format!("`{key}` cannot be {}", written.get_ref());
            let allowed = format!("a whole number from {} to {}", allowed.start(), allowed.end());
            self.wrong(written, &what, &allowed)
        })
    }
}

fn arch_names() -> Vec<&'static str> {
    Arch::ALL.iter().map(|arch| arch.name()).collect()
}
