//! The structs of the C header `pjrt_c_api.h` that cross the boundary to a plugin, and nothing else.
//!
//! Each begins with its own size, so that a plugin older or newer than these definitions knows which fields are there.
//! The sizes and table positions written here are those that a C compiler printed from the header of PJRT 0.81
//! (`sizeof`-style `X_STRUCT_SIZE` and `offsetof(PJRT_Api, X)`); a mismatch does not compile. Within one major version
//! the header only grows at the end of a struct, so they stay right for every plugin of major version 0.

use std::ffi::{c_char, c_int, c_void};
use std::mem::{MaybeUninit, offset_of};

macro_rules! opaque {
    ($($name:ident)*) => {$(
        /// An object of the plugin, seen only through a pointer.
        #[repr(C)]
        pub struct $name {
            _opaque: [u8; 0],
        }
    )*};
}

opaque!(Error Event Client Device DeviceDescription LoadedExecutable Executable Buffer TopologyDescription);

/// The arguments of one function of the table; they also say which function that is.
///
/// # Safety
/// `INDEX` is the function's position in the table, and the struct is laid out as the header's `NAME_Args`.
pub unsafe trait Call {
    /// The function's name in the header.
    const NAME: &'static str;
    /// Its position among the table's functions.
    const INDEX: usize;
}

/// `Rust name = header size { fields after struct_size and extension_start }`.
macro_rules! sized {
    ($($name:ident = $size:literal { $($field:ident: $ty:ty,)* })*) => {$(
        #[repr(C)]
        pub struct $name {
            pub struct_size: usize,
            pub extension_start: *mut c_void,
            $(pub $field: $ty,)*
        }

        impl $name {
            /// Where the last field ends, which is what the header calls the struct's size: it leaves out padding.
            const SIZE: usize = {
                let end = offset_of!($name, extension_start) + size_of::<*mut c_void>();
                $(let end = { let _ = end; offset_of!($name, $field) + size_of::<$ty>() };)*
                end
            };

            /// The struct with its size filled in and every other field zero or null.
            pub fn new() -> Self {
                // SAFETY: every field is an integer, a bool, a raw pointer or a struct of these: all zeros is a value.
                Self { struct_size: Self::SIZE, ..unsafe { MaybeUninit::zeroed().assume_init() } }
            }
        }

        const _: () = assert!($name::SIZE == $size);
    )*};
}

/// `header name @ position in the table => Rust name = size { fields }`.
macro_rules! calls {
    ($($function:ident @ $index:literal => $name:ident = $size:literal { $($field:ident: $ty:ty,)* })*) => {
        sized! { $($name = $size { $($field: $ty,)* })* }
        $(
            // SAFETY: position and layout are the header's, see the module's text.
            unsafe impl Call for $name {
                const NAME: &'static str = stringify!($function);
                const INDEX: usize = $index;
            }
        )*
    };
}

/// The head of the function table; the functions follow it, one pointer each.
#[repr(C)]
pub struct Table {
    pub struct_size: usize,
    pub extension_start: *mut c_void,
    pub version: Version,
}

/// The version of the header that the plugin was compiled with.
#[repr(C)]
pub struct Version {
    pub struct_size: usize,
    pub extension_start: *mut c_void,
    pub major: c_int,
    pub minor: c_int,
}

const _: () = assert!(size_of::<Table>() == 40);

calls! {
    PJRT_Error_Destroy @ 0 => ErrorDestroy = 24 { error: *mut Error, }
    PJRT_Error_Message @ 1 => ErrorMessage = 40 { error: *const Error, message: *const c_char, message_size: usize, }
    PJRT_Error_GetCode @ 2 => ErrorGetCode = 28 { error: *const Error, code: c_int, }

    PJRT_Plugin_Initialize @ 3 => PluginInitialize = 16 {}
    PJRT_Plugin_Attributes @ 4 => PluginAttributes = 32 { attributes: *const NamedValue, num_attributes: usize, }

    PJRT_Event_Destroy @ 5 => EventDestroy = 24 { event: *mut Event, }
    PJRT_Event_IsReady @ 6 => EventIsReady = 25 { event: *mut Event, is_ready: bool, }
    PJRT_Event_Await @ 8 => EventAwait = 24 { event: *mut Event, }

    PJRT_Client_Create @ 10 => ClientCreate = 88 {
        create_options: *const NamedValue,
        num_options: usize,
        kv_get_callback: *const c_void,
        kv_get_user_arg: *mut c_void,
        kv_put_callback: *const c_void,
        kv_put_user_arg: *mut c_void,
        client: *mut Client,
        kv_try_get_callback: *const c_void,
        kv_try_get_user_arg: *mut c_void,
    }
    PJRT_Client_PlatformName @ 12 => ClientPlatformName = 40 {
        client: *mut Client,
        platform_name: *const c_char,
        platform_name_size: usize,
    }
    PJRT_Client_PlatformVersion @ 14 => ClientPlatformVersion = 40 {
        client: *mut Client,
        platform_version: *const c_char,
        platform_version_size: usize,
    }
    PJRT_Client_AddressableDevices @ 16 => ClientAddressableDevices = 40 {
        client: *mut Client,
        devices: *const *mut Device,
        num_devices: usize,
    }
    PJRT_Client_Compile @ 20 => ClientCompile = 56 {
        client: *mut Client,
        program: *const Program,
        compile_options: *const c_char,
        compile_options_size: usize,
        executable: *mut LoadedExecutable,
    }
    PJRT_Client_BufferFromHostBuffer @ 22 => BufferFromHostBuffer = 120 {
        client: *mut Client,
        data: *const c_void,
        element_type: c_int,
        dims: *const i64,
        num_dims: usize,
        byte_strides: *const i64,
        num_byte_strides: usize,
        host_buffer_semantics: c_int,
        device: *mut Device,
        memory: *mut c_void,
        device_layout: *mut c_void,
        done_with_host_buffer: *mut Event,
        buffer: *mut Buffer,
    }
    PJRT_DeviceDescription_Kind @ 26 => DeviceDescriptionKind = 40 {
        device_description: *mut DeviceDescription,
        device_kind: *const c_char,
        device_kind_size: usize,
    }
    PJRT_Device_GetDescription @ 29 => DeviceGetDescription = 32 {
        device: *mut Device,
        device_description: *mut DeviceDescription,
    }

    PJRT_Executable_Destroy @ 40 => ExecutableDestroy = 24 { executable: *mut Executable, }
    PJRT_Executable_NumOutputs @ 44 => ExecutableNumOutputs = 32 { executable: *mut Executable, num_outputs: usize, }
    PJRT_Executable_SizeOfGeneratedCodeInBytes @ 45 => ExecutableCodeSize = 32 {
        executable: *mut Executable,
        size_in_bytes: i64,
    }
    PJRT_Executable_GetCostAnalysis @ 46 => ExecutableCost = 40 {
        executable: *mut Executable,
        num_properties: usize,
        properties: *const NamedValue,
    }
    PJRT_Executable_Serialize @ 49 => ExecutableSerialize = 56 {
        executable: *const Executable,
        bytes: *const c_char,
        size: usize,
        owner: *mut c_void,
        deleter: Option<unsafe extern "C" fn(*mut c_void)>,
    }
    PJRT_LoadedExecutable_Destroy @ 50 => LoadedExecutableDestroy = 24 { executable: *mut LoadedExecutable, }
    PJRT_LoadedExecutable_GetExecutable @ 51 => LoadedExecutableGetExecutable = 32 {
        loaded_executable: *mut LoadedExecutable,
        executable: *mut Executable,
    }
    PJRT_LoadedExecutable_Execute @ 55 => LoadedExecutableExecute = 80 {
        executable: *mut LoadedExecutable,
        options: *mut ExecuteOptions,
        argument_lists: *const *const *mut Buffer,
        num_devices: usize,
        num_args: usize,
        output_lists: *const *mut *mut Buffer,
        device_complete_events: *mut *mut Event,
        execute_device: *mut Device,
    }

    PJRT_Buffer_Destroy @ 58 => BufferDestroy = 24 { buffer: *mut Buffer, }
    PJRT_Buffer_ElementType @ 59 => BufferElementType = 28 { buffer: *mut Buffer, element_type: c_int, }
    PJRT_Buffer_Dimensions @ 60 => BufferDimensions = 40 { buffer: *mut Buffer, dims: *const i64, num_dims: usize, }
    PJRT_Buffer_GetMemoryLayout @ 63 => BufferGetMemoryLayout = 104 { buffer: *mut Buffer, layout: MemoryLayout, }
    PJRT_Buffer_ToHostBuffer @ 70 => BufferToHostBuffer = 56 {
        src: *mut Buffer,
        host_layout: *mut MemoryLayout,
        dst: *mut c_void,
        dst_size: usize,
        event: *mut Event,
    }
    PJRT_Buffer_IsOnCpu @ 71 => BufferIsOnCpu = 25 { buffer: *mut Buffer, is_on_cpu: bool, }
    PJRT_Buffer_ReadyEvent @ 72 => BufferReadyEvent = 32 { buffer: *mut Buffer, event: *mut Event, }
    PJRT_Buffer_IncreaseExternalReferenceCount @ 74 => BufferHold = 24 { buffer: *mut Buffer, }
    PJRT_Buffer_DecreaseExternalReferenceCount @ 75 => BufferRelease = 24 { buffer: *mut Buffer, }
    PJRT_Buffer_OpaqueDeviceMemoryDataPointer @ 76 => BufferPointer = 32 { buffer: *mut Buffer, pointer: *mut c_void, }

    PJRT_TopologyDescription_Create @ 82 => TopologyCreate = 56 {
        topology_name: *const c_char,
        topology_name_size: usize,
        create_options: *const NamedValue,
        num_options: usize,
        topology: *mut TopologyDescription,
    }
    PJRT_TopologyDescription_Destroy @ 83 => TopologyDestroy = 24 { topology: *mut TopologyDescription, }
    PJRT_Compile @ 89 => Compile = 64 {
        topology: *const TopologyDescription,
        program: *const Program,
        compile_options: *const c_char,
        compile_options_size: usize,
        client: *mut Client,
        executable: *mut Executable,
    }
    PJRT_Executable_GetCompiledMemoryStats @ 96 => ExecutableMemory = 144 {
        executable: *mut Executable,
        generated_code: i64,
        argument: i64,
        output: i64,
        alias: i64,
        temp: i64,
        host: [i64; 5],
        peak: i64,
        // Since 0.90 and 0.104 (the struct has 112 bytes in 0.81): newer plugins insist on room for what they write.
        total_size: i64,
        further: [i64; 3],
    }
}

sized! {
    NamedValue = 56 {
        name: *const c_char,
        name_size: usize,
        kind: c_int,
        value: Value,
        value_size: usize,
    }
    Program = 48 { code: *const c_char, code_size: usize, format: *const c_char, format_size: usize, }
    ExecuteOptions = 120 {
        send_callbacks: *mut c_void,
        recv_callbacks: *mut c_void,
        num_send_ops: usize,
        num_recv_ops: usize,
        launch_id: c_int,
        non_donatable_input_indices: *const i64,
        num_non_donatable_input_indices: usize,
        context: *mut c_void,
        call_location: *const c_char,
        num_tasks: usize,
        task_ids: *mut c_int,
        incarnation_ids: *mut i64,
        // Since 0.97 (the struct has 112 bytes in 0.81): some newer plugins insist on the size they were built with.
        multi_slice_config: *mut c_void,
    }
    MemoryLayout = 76 { tiled: TiledLayout, kind: c_int, }
    // The larger arm of the union inside MemoryLayout.
    TiledLayout = 56 {
        minor_to_major: *const i64,
        minor_to_major_size: usize,
        tile_dims: *const i64,
        tile_dim_sizes: *const usize,
        num_tiles: usize,
    }
}

/// What a [`NamedValue`] holds, told apart by its `kind`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union Value {
    pub string: *const c_char,
    pub int64: i64,
    pub int64_list: *const i64,
    pub float: f32,
    pub bool: bool,
}

/// `PJRT_NamedValue_Type`.
pub mod named_value {
    use std::ffi::c_int;
    pub const STRING: c_int = 0;
    pub const INT64: c_int = 1;
    pub const INT64_LIST: c_int = 2;
    pub const FLOAT: c_int = 3;
    pub const BOOL: c_int = 4;
}

/// `PJRT_Buffer_Type`: the ones that have a [`DType`](crate::DType).
pub mod buffer_type {
    use std::ffi::c_int;
    pub const PRED: c_int = 1;
    pub const S32: c_int = 4;
    pub const S64: c_int = 5;
    pub const U32: c_int = 8;
    pub const F16: c_int = 10;
    pub const F32: c_int = 11;
    pub const F64: c_int = 12;
    pub const BF16: c_int = 13;
}

/// `PJRT_HostBufferSemantics_kImmutableOnlyDuringCall`: the plugin has read the host data when the call returns.
pub const IMMUTABLE_ONLY_DURING_CALL: c_int = 0;

/// `PJRT_Buffer_MemoryLayout_Type_Tiled`.
pub const TILED: c_int = 0;

impl Program {
    /// A module as MLIR's text, which has to outlive the struct.
    pub fn mlir(text: &str) -> Self {
        const FORMAT: &str = "mlir";
        Self {
            code: text.as_ptr().cast(),
            code_size: text.len(),
            format: FORMAT.as_ptr().cast(),
            format_size: FORMAT.len(),
            ..Self::new()
        }
    }
}
