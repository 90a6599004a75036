//! Every algorithm agrees with its reference on the CPU plugin, in both precisions.

use tandem_algos::cur::cr::CrSubject;
use tandem_algos::cur::interpolative::InterpolativeSubject;
use tandem_algos::cur::nystrom::NystromSubject;
use tandem_algos::cur::subject::CurSubject;
use tandem_algos::householder::subject::{ProductSubject, ProjectorSubject};
use tandem_algos::interaction::subject::LibSubject;
use tandem_algos::pursuit::Method;
use tandem_algos::pursuit::subject::PursuitSubject;
use tandem_algos::retrieval::subject::SearchSubject;
use tandem_algos::rpca::altproj::subject::AltProjSubject;
use tandem_algos::rpca::corona::subject::CoronaSubject;
use tandem_algos::rpca::lrpca::subject::LrpcaSubject;
use tandem_algos::rpca::net::subject::{BatchSubject, SeparateSubject};
use tandem_algos::rpca::pcp::subject::PcpSubject;
use tandem_algos::sae::baselines::BaselineSubject;
use tandem_algos::sae::subject::{StepSubject, TrainSubject};
use tandem_algos::snmf::subject::SnmfSubject;
use tandem_algos::snmf::transform::TransformSubject;
use tandem_compile::DType;
use tandem_compile::pjrt::Device;
use tandem_verify::{Compiled, Options, Subject, check};

fn agrees(subject: impl Subject, dtype: DType, regressions: &'static str) {
    let device = Device::cpu().unwrap_or_else(|e| panic!("{e}"));
    let options = Options { dtype, cases: 48, seed: 1, regressions: Some(regressions) };
    let certificate = check(&subject, Some(&Compiled::on(&device)), &options);
    println!("{}", serde_json::to_string_pretty(&certificate).unwrap());
    assert!(certificate.agreed, "{:?}", certificate.counterexample);
}

#[test]
fn snmf_agrees_in_f32() {
    agrees(SnmfSubject, DType::F32, "tests/regressions/snmf-f32.txt");
}

#[test]
fn snmf_agrees_in_f64() {
    agrees(SnmfSubject, DType::F64, "tests/regressions/snmf-f64.txt");
}

#[test]
fn snmf_transform_agrees_in_f32() {
    agrees(TransformSubject, DType::F32, "tests/regressions/snmf-transform-f32.txt");
}

#[test]
fn snmf_transform_agrees_in_f64() {
    agrees(TransformSubject, DType::F64, "tests/regressions/snmf-transform-f64.txt");
}

#[test]
fn matching_pursuit_agrees_in_f32() {
    agrees(PursuitSubject(Method::Mp), DType::F32, "tests/regressions/mp-f32.txt");
}

#[test]
fn matching_pursuit_agrees_in_f64() {
    agrees(PursuitSubject(Method::Mp), DType::F64, "tests/regressions/mp-f64.txt");
}

#[test]
fn orthogonal_matching_pursuit_agrees_in_f32() {
    agrees(PursuitSubject(Method::Omp), DType::F32, "tests/regressions/omp-f32.txt");
}

#[test]
fn orthogonal_matching_pursuit_agrees_in_f64() {
    agrees(PursuitSubject(Method::Omp), DType::F64, "tests/regressions/omp-f64.txt");
}

#[test]
fn gradient_pursuit_agrees_in_f32() {
    agrees(PursuitSubject(Method::Gp), DType::F32, "tests/regressions/gp-f32.txt");
}

#[test]
fn gradient_pursuit_agrees_in_f64() {
    agrees(PursuitSubject(Method::Gp), DType::F64, "tests/regressions/gp-f64.txt");
}

#[test]
fn cur_agrees_in_f32() {
    agrees(CurSubject, DType::F32, "tests/regressions/cur-f32.txt");
}

#[test]
fn cur_agrees_in_f64() {
    agrees(CurSubject, DType::F64, "tests/regressions/cur-f64.txt");
}

#[test]
fn interpolative_agrees_in_f32() {
    agrees(InterpolativeSubject, DType::F32, "tests/regressions/interpolative-f32.txt");
}

#[test]
fn interpolative_agrees_in_f64() {
    agrees(InterpolativeSubject, DType::F64, "tests/regressions/interpolative-f64.txt");
}

#[test]
fn nystrom_agrees_in_f32() {
    agrees(NystromSubject, DType::F32, "tests/regressions/nystrom-f32.txt");
}

#[test]
fn nystrom_agrees_in_f64() {
    agrees(NystromSubject, DType::F64, "tests/regressions/nystrom-f64.txt");
}

#[test]
fn cr_agrees_in_f32() {
    agrees(CrSubject, DType::F32, "tests/regressions/cr-f32.txt");
}

#[test]
fn cr_agrees_in_f64() {
    agrees(CrSubject, DType::F64, "tests/regressions/cr-f64.txt");
}

#[test]
fn cur_search_agrees_in_f32() {
    agrees(SearchSubject, DType::F32, "tests/regressions/cur-search-f32.txt");
}

#[test]
fn cur_search_agrees_in_f64() {
    agrees(SearchSubject, DType::F64, "tests/regressions/cur-search-f64.txt");
}

#[test]
fn sae_baselines_agree_in_f32() {
    agrees(BaselineSubject, DType::F32, "tests/regressions/sae-baselines-f32.txt");
}

#[test]
fn sae_baselines_agree_in_f64() {
    agrees(BaselineSubject, DType::F64, "tests/regressions/sae-baselines-f64.txt");
}

#[test]
fn mpsae_step_agrees_in_f32() {
    agrees(StepSubject, DType::F32, "tests/regressions/mpsae-step-f32.txt");
}

#[test]
fn mpsae_step_agrees_in_f64() {
    agrees(StepSubject, DType::F64, "tests/regressions/mpsae-step-f64.txt");
}

#[test]
fn mpsae_train_agrees_in_f32() {
    agrees(TrainSubject, DType::F32, "tests/regressions/mpsae-train-f32.txt");
}

#[test]
fn mpsae_train_agrees_in_f64() {
    agrees(TrainSubject, DType::F64, "tests/regressions/mpsae-train-f64.txt");
}

#[test]
fn householder_q_agrees_in_f32() {
    agrees(ProductSubject, DType::F32, "tests/regressions/householder-q-f32.txt");
}

#[test]
fn householder_q_agrees_in_f64() {
    agrees(ProductSubject, DType::F64, "tests/regressions/householder-q-f64.txt");
}

#[test]
fn householder_projector_agrees_in_f32() {
    agrees(ProjectorSubject, DType::F32, "tests/regressions/householder-projector-f32.txt");
}

#[test]
fn householder_projector_agrees_in_f64() {
    agrees(ProjectorSubject, DType::F64, "tests/regressions/householder-projector-f64.txt");
}

#[test]
fn lib_agrees_in_f32() {
    agrees(LibSubject, DType::F32, "tests/regressions/lib-f32.txt");
}

#[test]
fn lib_agrees_in_f64() {
    agrees(LibSubject, DType::F64, "tests/regressions/lib-f64.txt");
}

#[test]
fn pcp_agrees_in_f32() {
    agrees(PcpSubject, DType::F32, "tests/regressions/pcp-f32.txt");
}

#[test]
fn pcp_agrees_in_f64() {
    agrees(PcpSubject, DType::F64, "tests/regressions/pcp-f64.txt");
}

#[test]
fn alternating_projections_agree_in_f32() {
    agrees(AltProjSubject, DType::F32, "tests/regressions/altproj-f32.txt");
}

#[test]
fn alternating_projections_agree_in_f64() {
    agrees(AltProjSubject, DType::F64, "tests/regressions/altproj-f64.txt");
}

#[test]
fn lrpca_agrees_in_f32() {
    agrees(LrpcaSubject, DType::F32, "tests/regressions/lrpca-f32.txt");
}

#[test]
fn lrpca_agrees_in_f64() {
    agrees(LrpcaSubject, DType::F64, "tests/regressions/lrpca-f64.txt");
}

#[test]
fn corona_agrees_in_f32() {
    agrees(CoronaSubject, DType::F32, "tests/regressions/corona-f32.txt");
}

#[test]
fn corona_agrees_in_f64() {
    agrees(CoronaSubject, DType::F64, "tests/regressions/corona-f64.txt");
}

#[test]
fn rpcanet_agrees_in_f32() {
    agrees(SeparateSubject, DType::F32, "tests/regressions/rpcanet-f32.txt");
}

#[test]
fn rpcanet_agrees_in_f64() {
    agrees(SeparateSubject, DType::F64, "tests/regressions/rpcanet-f64.txt");
}

#[test]
fn rpcanet_batch_agrees_in_f32() {
    agrees(BatchSubject, DType::F32, "tests/regressions/rpcanet-batch-f32.txt");
}

#[test]
fn rpcanet_batch_agrees_in_f64() {
    agrees(BatchSubject, DType::F64, "tests/regressions/rpcanet-batch-f64.txt");
}
