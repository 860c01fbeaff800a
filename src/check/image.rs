//! Image whole: at the end `qemu-img check` finds nothing wrong with the image of any guest.

use super::{About, Advice, Asked, Check, CheckedImage, Moment, Proof, Scene};
use crate::failure::Result;
use crate::host::ImageCheck;

pub static ABOUT: About = About {
    id: "image",
    summary: "image whole",
    how: "`qemu-img check` of every image at the end, while its guest stands still",
    asked: &[Moment::End],
    advice: &[DAMAGED],
    ..About::BASE
};

const DAMAGED: Advice = Advice::new(
    "the image is damaged",
    "the image is in the export of the storage server until the guest is made anew with a fresh one, before the next scenario",
);

/// The check.
pub struct ImageWhole;

impl Check for ImageWhole {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, _scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(ImageAsked))
    }
}

struct ImageAsked;

impl Asked for ImageAsked {
    fn at_standstill(&mut self, images: &[CheckedImage<'_>]) -> Vec<Proof> {
        let proof = |CheckedImage { guest, found }: &CheckedImage<'_>| match found {
            Ok(found) => check(found).of(&guest.name),
            Err(why) => unknown(&guest.image, why).of(&guest.name),
        };
        images.iter().map(proof).collect()
    }
}

/// Proves one guest's image by what `qemu-img check` found.
pub fn check(found: &ImageCheck) -> Proof {
    Proof::new(&ABOUT, found.is_whole(), expected(&found.image), found.to_string()).advise(&DAMAGED)
}

/// The finding about an image that `qemu-img check` could not read.
pub fn unknown(image: &str, why: &str) -> Proof {
    Proof::new(&ABOUT, false, expected(image), format!("not known: {why}"))
}

fn expected(image: &str) -> String {
    format!("qemu-img check finds nothing wrong with {image}")
}
