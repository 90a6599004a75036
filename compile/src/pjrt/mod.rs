//! The runtime: devices, buffers and compiled programs, through the PJRT C API.
//!
//! A *plugin* is a shared library that speaks this API: XLA for the CPU, for CUDA, for TPUs, or another compiler. It is
//! [found](Environment), [opened](Plugin) at run time, and serves a [`Device`]; nothing is linked.
//!
//! ```
//! use tandem_compile::{HostArray, pjrt::Device};
//!
//! # fn main() -> tandem_compile::Result<()> {
//! let device = Device::default()?;
//! let double = device.compile(
//!     "func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
//!        %y = stablehlo.add %x, %x : tensor<3xf32>
//!        return %y : tensor<3xf32>
//!      }",
//! )?;
//! let x = device.upload(&HostArray::new([3], vec![1f32, 2.0, 3.0])?)?;
//! let y = double.execute([&x])?;
//! assert_eq!(y[0].to_host()?.values::<f32>()?, [2.0, 4.0, 6.0]);
//! # Ok(())
//! # }
//! ```

mod api;
mod buffer;
mod client;
mod device;
mod discovery;
mod event;
mod executable;
mod ffi;
mod hardware;
mod plugin;
mod raw;
mod signature;
mod topology;
mod transfer;

pub use buffer::Buffer;
pub use client::limit_threads;
pub use device::Device;
pub use discovery::{Environment, Found, Place, install_folder, relative_library};
pub use executable::{Argument, Executable};
pub use hardware::{Hardware, Peak, Roofline};
pub use plugin::Plugin;
pub use topology::{Analysis, Topology};
