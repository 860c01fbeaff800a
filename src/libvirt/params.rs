//! libvirt's typed parameters, copied into safe values.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::{ptr, slice};

use serde::{Deserialize, Serialize};
use virt_sys as sys;

/// A value of a typed parameter. Integers of all widths share one variant for signed and one for unsigned: libvirt changed
/// widths between versions, and a decoder should not care.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Bool(bool),
    Unsigned(u64),
    Integer(i64),
    Real(f64),
    Text(String),
    /// A value of a type newer than this client's bindings.
    Unknown,
}

impl Value {
    /// The value as a number, if it is an integer that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Unsigned(n) => Some(*n),
            Value::Integer(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }
}

/// Copies an array of typed parameters.
///
/// # Safety
///
/// `params` is null, or points to `count` parameters filled by libvirt that stay unchanged during the call.
pub(super) unsafe fn copy(params: *const sys::virTypedParameter, count: c_int) -> Vec<(String, Value)> {
    let Ok(count) = usize::try_from(count) else {
        return Vec::new();
    };
    // libvirt answers "no parameters" with a null pointer, which cannot be a slice.
    if params.is_null() || count == 0 {
        return Vec::new();
    }
    // SAFETY: the pointer is not null, and by the caller's promise it is an array of `count` parameters.
    let params = unsafe { slice::from_raw_parts(params, count) };
    params
        .iter()
        // SAFETY: libvirt filled the parameter, by the caller's promise.
        .map(|param| (name(&param.field), unsafe { value(param) }))
        .collect()
}

/// The name of a parameter. The field is an array with a C string, which may fill the array without a zero byte at its end.
fn name(field: &[c_char]) -> String {
    let bytes: Vec<u8> = field.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The value of a parameter.
///
/// # Safety
///
/// libvirt filled `param`: its type tells which member of its union is set, and a text is a valid C string or null.
unsafe fn value(param: &sys::virTypedParameter) -> Value {
    let value = &param.value;
    match u32::try_from(param.type_) {
        // SAFETY: the type says that this member is set.
        Ok(sys::VIR_TYPED_PARAM_INT) => Value::Integer(unsafe { value.i }.into()),
        // SAFETY: as above.
        Ok(sys::VIR_TYPED_PARAM_UINT) => Value::Unsigned(unsafe { value.ui }.into()),
        // SAFETY: as above.
        Ok(sys::VIR_TYPED_PARAM_LLONG) => Value::Integer(unsafe { value.l }),
        // SAFETY: as above.
        Ok(sys::VIR_TYPED_PARAM_ULLONG) => Value::Unsigned(unsafe { value.ul }),
        // SAFETY: as above.
        Ok(sys::VIR_TYPED_PARAM_DOUBLE) => Value::Real(unsafe { value.d }),
        // SAFETY: as above.
        Ok(sys::VIR_TYPED_PARAM_BOOLEAN) => Value::Bool(unsafe { value.b } != 0),
        Ok(sys::VIR_TYPED_PARAM_STRING) => {
            // SAFETY: as above.
            let text = unsafe { value.s };
            if text.is_null() {
                return Value::Unknown;
            }
            // SAFETY: the pointer is not null, so it is a C string by the caller's promise.
            Value::Text(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
        }
        _ => Value::Unknown,
    }
}

/// Typed parameters for a call; libvirt's own functions allocate and free them.
pub(super) struct Parameters {
    first: sys::virTypedParameterPtr,
    count: c_int,
    most: c_int,
}

/// One of libvirt's functions that add a parameter to a list. Its arguments are the array, its length and its capacity, the
/// name and the value.
type Add<T> =
    unsafe extern "C" fn(*mut sys::virTypedParameterPtr, *mut c_int, *mut c_int, *const c_char, T) -> c_int;

impl Parameters {
    pub(super) fn new() -> Parameters {
        Parameters { first: ptr::null_mut(), count: 0, most: 0 }
    }

    /// Adds an unsigned number, if there is one.
    pub(super) fn unsigned(self, name: &CStr, value: Option<u64>) -> Parameters {
        self.add(name, value, sys::virTypedParamsAddULLong)
    }

    /// Adds a signed number, if there is one.
    pub(super) fn integer(self, name: &CStr, value: Option<i32>) -> Parameters {
        self.add(name, value, sys::virTypedParamsAddInt)
    }

    /// Adds a text, if there is one.
    pub(super) fn text(self, name: &CStr, value: Option<&CStr>) -> Parameters {
        self.add(name, value.map(CStr::as_ptr), sys::virTypedParamsAddString)
    }

    fn add<T>(mut self, name: &CStr, value: Option<T>, add: Add<T>) -> Parameters {
        if let Some(value) = value {
            let (first, count, most) = (&raw mut self.first, &raw mut self.count, &raw mut self.most);
            // SAFETY: the three places are this list's own; the name and a text are C strings, which libvirt copies.
            let added = unsafe { add(first, count, most, name.as_ptr(), value) };
            debug_assert_eq!(added, 0, "{name:?} is added twice, or too long");
        }
        self
    }

    /// The array and its length, for a call to libvirt.
    pub(super) fn raw(&mut self) -> (sys::virTypedParameterPtr, c_uint) {
        (self.first, self.count.unsigned_abs())
    }

    #[cfg(test)]
    pub(super) fn listed(&self) -> Vec<(String, Value)> {
        // SAFETY: libvirt filled as many as it counted.
        unsafe { copy(self.first, self.count) }
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        // SAFETY: libvirt allocated the array or it is null, and nobody else frees it.
        unsafe { sys::virTypedParamsFree(self.first, self.count) };
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::c_char;
    use std::ptr;

    use super::*;

    fn param(field: &str, type_: u32, value: sys::_virTypedParameterValue) -> sys::virTypedParameter {
        let mut name = [0; sys::VIR_TYPED_PARAM_FIELD_LENGTH as usize];
        for (to, from) in name.iter_mut().zip(field.bytes()) {
            *to = from as c_char;
        }
        sys::virTypedParameter { field: name, type_: type_ as c_int, value }
    }

    #[test]
    fn nothing_is_an_empty_list() {
        // SAFETY: null, or no elements.
        unsafe {
            assert!(copy(ptr::null(), 0).is_empty());
            assert!(copy(ptr::null(), 3).is_empty());
            assert!(copy(ptr::null(), -1).is_empty());
        }
    }

    #[test]
    fn every_type_is_copied() {
        let text = c"broken \xff pipe".as_ptr().cast_mut();
        let params = [
            param("i", sys::VIR_TYPED_PARAM_INT, sys::_virTypedParameterValue { i: -1 }),
            param("ui", sys::VIR_TYPED_PARAM_UINT, sys::_virTypedParameterValue { ui: 1 }),
            param("l", sys::VIR_TYPED_PARAM_LLONG, sys::_virTypedParameterValue { l: -2 }),
            param("ul", sys::VIR_TYPED_PARAM_ULLONG, sys::_virTypedParameterValue { ul: u64::MAX }),
            param("d", sys::VIR_TYPED_PARAM_DOUBLE, sys::_virTypedParameterValue { d: 0.5 }),
            param("b", sys::VIR_TYPED_PARAM_BOOLEAN, sys::_virTypedParameterValue { b: 1 }),
            param("s", sys::VIR_TYPED_PARAM_STRING, sys::_virTypedParameterValue { s: text }),
            param("null", sys::VIR_TYPED_PARAM_STRING, sys::_virTypedParameterValue { s: ptr::null_mut() }),
            param("new", 99, sys::_virTypedParameterValue { ul: 7 }),
            param(&"x".repeat(80), sys::VIR_TYPED_PARAM_INT, sys::_virTypedParameterValue { i: 0 }),
        ];
        // SAFETY: a live array of well-formed parameters.
        let copied = unsafe { copy(params.as_ptr(), params.len() as c_int) };
        let values: Vec<_> = copied.iter().map(|(_, value)| value.clone()).collect();
        assert_eq!(
            values,
            [
                Value::Integer(-1),
                Value::Unsigned(1),
                Value::Integer(-2),
                Value::Unsigned(u64::MAX),
                Value::Real(0.5),
                Value::Bool(true),
                Value::Text("broken \u{fffd} pipe".to_owned()),
                Value::Unknown,
                Value::Unknown,
                Value::Integer(0),
            ]
        );
        assert_eq!(copied[9].0.len(), 80);
    }
}
