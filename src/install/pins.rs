//! What is fetched for each plugin: packages, versions and the sha256 of every wheel.

use tandem_compile::{Error, Result};

/// What an installation of one plugin fetches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// `cpu`, `cuda` or `tpu`.
    pub name: &'static str,
    /// The packages, the plugin itself first.
    pub packages: Vec<Package>,
    /// The size of the download in megabytes (10^6 bytes).
    pub download_mb: u32,
    /// The size on disk afterwards in megabytes, roughly.
    pub installed_mb: u32,
    /// Under which terms the packages come.
    pub licence_note: &'static str,
}

/// One wheel of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The name in the package index.
    pub name: String,
    /// The only version that is accepted.
    pub version: String,
    /// The sha256 of the wheel for this machine, in hexadecimal.
    pub sha256: String,
}

/// Name, version, and the sha256 of the wheels for x86-64 and for aarch64.
type Pin = (&'static str, &'static str, &'static str, Option<&'static str>);

const CPU: &[Pin] = &[(
    "xla-cpu-pjrt",
    "0.0.1",
    "55837b6b7b47daa717f2d9a5a03563ea0ceaa338d06a81a1e2d3f060d960decc",
    Some("8f613be6e891858f40d64f9799319502fff42689661944fc18a6ffd8210b30c9"),
)];

/// The plugin of jax 0.10.2 with what jax-cuda13-plugin[with-cuda] requires beside it, at the versions of CUDA 13.0:
/// the oldest that it accepts, and so those that the most drivers run.
const CUDA: &[Pin] = &[
    (
        "jax-cuda13-pjrt",
        "0.10.2",
        "a97e9cabe0e21d8dbcc70bd909ca1c34cd546d3ce2d94b4cd907a8d4f6179f6a",
        Some("b28f4940d09405ece084e50c91634f4bb1d43a8497b9d734f40007ee07281aec"),
    ),
    (
        "nvidia-cublas",
        "13.1.0.3",
        "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
        Some("c86fc7f7ae36d7528288c5d88098edcb7b02c633d262e7ddbb86b0ad91be5df2"),
    ),
    (
        "nvidia-cuda-cupti",
        "13.0.85",
        "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        Some("796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151"),
    ),
    (
        "nvidia-cuda-nvcc",
        "13.0.88",
        "56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03",
        Some("c7ff28f86a24effdc6c034fa15230c549a273e4771b10a7fec14996f8cf3307f"),
    ),
    (
        "nvidia-cuda-nvrtc",
        "13.0.88",
        "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
        Some("d27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b"),
    ),
    (
        "nvidia-cuda-runtime",
        "13.0.96",
        "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        Some("ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55"),
    ),
    (
        "nvidia-cudnn-cu13",
        "9.13.0.50",
        "2150b4850725d30653ec3e365f0732e3e2e3eb8633cf3bd2d3117628dea8b4f9",
        Some("33f0aa0b64230101b348648fd0693342188071d3f8a137c0cf50051c24b3584b"),
    ),
    (
        "nvidia-cufft",
        "12.0.0.61",
        "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
        Some("2708c852ef8cd89d1d2068bdbece0aa188813a0c934db3779b9b1faa8442e5f5"),
    ),
    (
        "nvidia-cusolver",
        "12.0.4.66",
        "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
        Some("02c2457eaa9e39de20f880f4bd8820e6a1cfb9f9a34f820eb12a155aa5bc92d2"),
    ),
    (
        "nvidia-cusparse",
        "12.6.3.3",
        "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
        Some("80bcc4662f23f1054ee334a15c72b8940402975e0eab63178fc7e670aa59472c"),
    ),
    (
        "nvidia-nccl-cu13",
        "2.27.7",
        "b28a524abd8389b76a4a3f133c76a7aaa7005e47fcaa9d9603b90103927a3f93",
        Some("5e3cc863e52bf9dd1e3ab1941bddb414098f489ae7342f6b3a274602303da123"),
    ),
    (
        "nvidia-nvjitlink",
        "13.0.88",
        "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
        Some("e931536ccc7d467a98ba1d8b89ff7fa7f1fa3b13f2b0069118cd7f47bff07d0c"),
    ),
    (
        "nvidia-nvshmem-cu13",
        "3.3.24",
        "c14d09571697d2e57cb079c8daec88ab1c68cb3586532bfbd4886125a08339b7",
        Some("28ae82a4d14b322b93409535de62df6b7b83f4f7672ca97fc89107c2d40ce2c2"),
    ),
    (
        "nvidia-nvvm",
        "13.0.88",
        "c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0",
        Some("c4376a291d72d22a315d9d2f69bdae8f8cd83a627f75bad395cee49a0fe65dc1"),
    ),
];

/// The version that jax 0.10.2 requires; its wheels differ by Python version, this is the one for 3.12.
const TPU: &[Pin] = &[("libtpu", "0.0.42.1", "4026b215b42bca07331aac91d31659394b128b19df848aa6449b30fe16b335a6", None)];

/// What installing the plugin `name` on this machine would fetch.
///
/// # Errors
/// When no plugin has this name, or there is none for this machine's operating system and processor.
pub fn plan(name: &str) -> Result<Plan> {
    plan_for(name, std::env::consts::OS, std::env::consts::ARCH)
}

pub(super) fn plan_for(name: &str, os: &str, arch: &str) -> Result<Plan> {
    let arm = arch == "aarch64";
    let (name, pins, download_mb, installed_mb, licence_note) = match name {
        "cpu" => (
            "cpu",
            CPU,
            if arm { 50 } else { 64 },
            if arm { 230 } else { 260 },
            "author field \"The OpenXLA Authors\", no licence text in the wheel; not redistributed by this project",
        ),
        "cuda" => (
            "cuda",
            CUDA,
            1954,
            3300,
            "Apache-2.0 (the plugin, jax-cuda13-pjrt) and NVIDIA's own terms (its libraries, nvidia-*)",
        ),
        "tpu" => ("tpu", TPU, 213, 700, "Google Cloud Platform Terms of Service; not redistributed by this project"),
        _ => {
            return Err(Error::Plugin(format!(
                "there is no plugin `{}`: the names are cpu, cuda and tpu",
                name.escape_default()
            )));
        }
    };
    let packages: Option<Vec<Package>> = match (os, arch) {
        ("linux", "x86_64") => Some(pins.iter().map(|&(name, version, x86, _)| package(name, version, x86)).collect()),
        ("linux", "aarch64") => {
            pins.iter().map(|&(name, version, _, arm)| Some(package(name, version, arm?))).collect()
        }
        _ => None,
    };
    match packages {
        Some(packages) => Ok(Plan { name, packages, download_mb, installed_mb, licence_note }),
        None => {
            let wanted = if name == "tpu" { "Linux on x86-64" } else { "Linux on x86-64 or aarch64" };
            Err(Error::Plugin(format!(
                "the plugin `{name}` needs {wanted}, this is {os} on {arch}; `--device reference` works everywhere"
            )))
        }
    }
}

fn package(name: &str, version: &str, sha256: &str) -> Package {
    Package { name: name.into(), version: version.into(), sha256: sha256.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_pins_every_wheel() {
        for (name, arch) in
            [("cpu", "x86_64"), ("cpu", "aarch64"), ("cuda", "x86_64"), ("cuda", "aarch64"), ("tpu", "x86_64")]
        {
            let plan = plan_for(name, "linux", arch).unwrap();
            assert!(plan.download_mb > 0 && plan.installed_mb > plan.download_mb);
            for package in &plan.packages {
                assert_eq!(package.sha256.len(), 64, "{package:?}");
                assert!(package.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{package:?}");
            }
        }
    }

    #[test]
    fn an_unknown_name_or_machine_is_told_what_there_is() {
        let error = plan("gpu").unwrap_err().to_string();
        assert!(error.contains("`gpu`") && error.contains("cpu, cuda and tpu"), "{error}");
        for (name, os, arch) in
            [("cpu", "macos", "aarch64"), ("tpu", "linux", "aarch64"), ("cuda", "windows", "x86_64")]
        {
            let error = plan_for(name, os, arch).unwrap_err().to_string();
            assert!(error.contains(os) && error.contains("--device reference"), "{error}");
        }
    }
}
