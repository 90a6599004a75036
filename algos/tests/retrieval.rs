//! What theory says of completion and search beyond a single result, and a run on a real score matrix.

use std::path::Path;

use tandem_algos::retrieval::{CurIndex, Plan, Scored, complete, reference, scores, search, uniform_anchors};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Tensor, jit};
use tandem_verify::Matrix;
use tandem_verify::rng::normal;

const ITEMS: usize = 18;
const QUERIES: usize = 12;

fn gaussian(seed: u64, rows: usize, cols: usize) -> Matrix {
    Matrix { rows, cols, values: normal(seed, rows * cols) }
}

fn array(m: &Matrix) -> HostArray {
    HostArray::from_fn([m.rows, m.cols], |i| m.values[i])
}

fn positions(items: &[usize]) -> Vec<i32> {
    items.iter().map(|&item| item as i32).collect()
}

fn rows_of(a: &Matrix, queries: &[usize]) -> Matrix {
    Matrix::from_fn(queries.len(), a.cols, |i, j| a.at(queries[i], j))
}

fn columns_of(a: &Matrix, items: &[usize]) -> Matrix {
    Matrix::from_fn(a.rows, items.len(), |i, j| a.at(i, items[j]))
}

/// All rows of A completed from those of `queries` and the columns of `items`, on the device.
fn completed(a: &Matrix, queries: &[usize], items: &[usize]) -> Matrix {
    let program =
        jit(|(rows, items, known): (Tensor, Tensor, Tensor)| scores(&CurIndex::build(&rows, &items, None).e, &known));
    let inputs = (array(&rows_of(a, queries)), positions(items), array(&columns_of(a, items)));
    let found: HostArray = program.on(&Device::cpu().unwrap()).call((&inputs.0, &inputs.1, &inputs.2)).unwrap();
    Matrix::from_array(&found).unwrap()
}

/// A = C E of the best core on the device, and its distance from the reference's in double the precision.
fn best_core(a: &Matrix, queries: &[usize], items: &[usize]) -> (Matrix, f64) {
    let program = jit(|(a, queries, items): (Tensor, Tensor, Tensor)| {
        let CurIndex { u, e, rank, status } = CurIndex::optimal(&a, &queries, &items, None);
        (u, e, rank, status)
    });
    let (_, e, rank, status): (HostArray, HostArray, i32, i32) =
        program.on(&Device::cpu().unwrap()).call((&array(a), &positions(queries), &positions(items))).unwrap();
    assert_eq!((rank as usize, status), (queries.len().min(items.len()), 0));
    let e = Matrix::from_array(&e).unwrap();
    let truth = reference::optimal::<faer::fx128>(&array(a), queries, items, 1e-14).unwrap();
    let gap = Matrix::from_fn(e.rows, e.cols, |i, j| e.at(i, j) - tandem_verify::Real::to_f64(truth[(i, j)]));
    (columns_of(a, items).dot(&e), gap.max_abs())
}

fn close(x: &Matrix, y: &Matrix, tolerance: f64) {
    let gap = x.minus(y).max_abs() / y.max_abs();
    assert!(gap < tolerance, "{gap:e}");
}

#[test]
fn an_intersection_of_the_matrixs_rank_gives_back_every_entry() {
    let a = gaussian(1, QUERIES, 3).dot(&gaussian(2, 3, ITEMS));
    for (p, q) in [(3, 3), (3, 5), (6, 3), (7, 7)] {
        close(&completed(&a, &uniform_anchors(3, QUERIES, p), &uniform_anchors(4, ITEMS, q)), &a, 1e-10);
    }
}

#[test]
fn a_square_nonsingular_intersection_gives_back_the_anchors_of_any_matrix() {
    let a = gaussian(5, QUERIES, ITEMS);
    let (queries, items) = (uniform_anchors(6, QUERIES, 5), uniform_anchors(7, ITEMS, 5));
    let found = completed(&a, &queries, &items);
    close(&rows_of(&found, &queries), &rows_of(&a, &queries), 1e-11);
    close(&columns_of(&found, &items), &columns_of(&a, &items), 1e-11);
    // And nothing else, so that this proves something.
    assert!(found.minus(&a).max_abs() > 0.1);
}

#[test]
fn oversampling_gives_back_the_anchors_on_one_side_alone() {
    let a = gaussian(8, QUERIES, ITEMS);
    let (queries, items) = (uniform_anchors(9, QUERIES, 8), uniform_anchors(10, ITEMS, 4));
    let found = completed(&a, &queries, &items);
    close(&columns_of(&found, &items), &columns_of(&a, &items), 1e-12);
    assert!(rows_of(&found, &queries).minus(&rows_of(&a, &queries)).max_abs() > 0.1);
    let (queries, items) = (uniform_anchors(9, QUERIES, 4), uniform_anchors(10, ITEMS, 8));
    let found = completed(&a, &queries, &items);
    close(&rows_of(&found, &queries), &rows_of(&a, &queries), 1e-12);
    assert!(columns_of(&found, &items).minus(&columns_of(&a, &items)).max_abs() > 0.1);
}

#[test]
fn permuting_queries_and_items_permutes_the_completion() {
    let a = gaussian(11, QUERIES, ITEMS);
    let (queries, items) = (uniform_anchors(12, QUERIES, 6), uniform_anchors(13, ITEMS, 4));
    let found = completed(&a, &queries, &items);
    let turned = |m: &Matrix| Matrix::from_fn(m.rows, m.cols, |i, j| m.at((i + 5) % m.rows, (j + 7) % m.cols));
    let moved = |set: &[usize], by: usize, size: usize| -> Vec<usize> {
        set.iter().map(|&at| (at + size - by) % size).collect()
    };
    let other = completed(&turned(&a), &moved(&queries, 5, QUERIES), &moved(&items, 7, ITEMS));
    close(&other, &turned(&found), 1e-12);
}

/// Of U = pinv(C) A pinv(R), whatever the matrix; the error of U = pinv(A(P, Q)) may grow, and does.
#[test]
fn the_error_of_the_best_core_never_grows_with_the_anchors() {
    let a = gaussian(14, QUERIES, ITEMS);
    let (queries, items) = (uniform_anchors(15, QUERIES, QUERIES), uniform_anchors(16, ITEMS, QUERIES));
    let (mut last, mut cross) = (a.squared_norm(), Vec::new());
    for count in [1, 3, 6, 9, 12] {
        let (queries, items) = (&queries[..count], &items[..count]);
        let (found, gap) = best_core(&a, queries, items);
        assert!(gap < 1e-11, "{count} anchors: {gap:e} from the reference");
        let error = found.minus(&a).squared_norm();
        assert!(error <= last * (1.0 + 1e-12) + 1e-20, "{error:e} after {last:e} with {count} anchors");
        // The residual is orthogonal to what columns and rows span: no other core is better.
        let residual = columns_of(&a, items).t().dot(&found.minus(&a)).dot(&rows_of(&a, queries).t());
        assert!(residual.max_abs() < 1e-11, "{count} anchors: {:e}", residual.max_abs());
        let other = completed(&a, queries, items).minus(&a).squared_norm();
        assert!(error <= other * (1.0 + 1e-12) + 1e-20, "the cross's error {other:e} is below {error:e}");
        cross.push(other);
        last = error;
    }
    assert!(last < 1e-20, "all rows and as many columns: {last:e}");
    assert!(cross.windows(2).any(|pair| pair[1] > 1.01 * pair[0]), "{cross:?}");
}

/// What an adaptive round computes for each query with anchors of its own is what the index computes for all, if the anchors
/// are the same; what stands after the first `count` is not read.
#[test]
fn anchors_of_ones_own_complete_a_row_as_the_index_does() {
    let a = gaussian(17, QUERIES, ITEMS);
    let (queries, items) = (uniform_anchors(18, QUERIES, 8), uniform_anchors(19, ITEMS, 5));
    let expected = completed(&a, &queries, &items);
    let program = jit(|(rows, items, known, count): (Tensor, Tensor, Tensor, Tensor)| {
        complete(&rows, &items, &known, &count, None)
    });
    let width = 7;
    let index = HostArray::from_fn([QUERIES, width], |at| items.get(at % width).map_or(3, |&item| item as i32));
    let known = |at: usize| items.get(at % width).map_or(f64::NAN, |&item| a.at(at / width, item));
    let known = HostArray::from_fn([QUERIES, width], known);
    let rows = array(&rows_of(&a, &queries));
    let found: HostArray = program.on(&Device::cpu().unwrap()).call((&rows, &index, &known, 5i32)).unwrap();
    close(&Matrix::from_array(&found).unwrap(), &expected, 1e-12);
}

/// The stored score matrix in `examples/data`: 160 sentences by 800 items.
fn real_scores() -> Matrix {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/maxsim_scores.npy");
    let bytes = std::fs::read(path).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert!(String::from_utf8_lossy(&bytes[..header]).contains("'<f4', 'fortran_order': False, 'shape': (160, 800)"));
    let numbers = bytes[header..].chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    Matrix { rows: 160, cols: 800, values: numbers.collect() }
}

/// The items of a row by decreasing score.
fn order(row: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&i, &j| row[j].total_cmp(&row[i]));
    order
}

/// The rank that singular values below a fiftieth of the largest leave, and the relative error of the completed rows.
const RANK: i32 = 34;
const ERROR: f64 = 0.23794809285019733;
/// The first asking query's best five items by its completed row.
const FIRST: [usize; 5] = [516, 576, 546, 526, 586];
/// How many of the k best items of 60 queries are found.
const RECALLS: [(usize, usize); 4] = [(1, 56), (10, 491), (50, 2030), (100, 2936)];

/// Half of the calls go to anchors, the rest to the best of the completed scores; every number by NumPy on the same file
/// (`tests/peers/retrieval_numpy.py` prints them).
#[test]
fn the_search_of_a_real_score_matrix_is_the_one_by_numpy() {
    let a = real_scores();
    let all = uniform_anchors(1, 160, 160);
    let (queries, asking) = all.split_at(100);
    let items = uniform_anchors(1, 800, 50);
    let program = jit(|(rows, items, known): (Tensor, Tensor, Tensor)| {
        let CurIndex { e, rank, .. } = CurIndex::build(&rows, &items, Some(0.02));
        (scores(&e, &known), rank)
    })
    .on(&Device::cpu().unwrap());
    let known = columns_of(&rows_of(&a, asking), &items);
    for (dtype, digits) in [(DType::F64, 1e-9), (DType::F32, 1e-4)] {
        let inputs = [array(&rows_of(&a, queries)), array(&known)].map(|x| x.cast(dtype).unwrap());
        let (found, rank): (HostArray, i32) = program.call((&inputs[0], &positions(&items), &inputs[1])).unwrap();
        let (found, truth) = (Matrix::from_array(&found).unwrap(), rows_of(&a, asking));
        let error = (found.minus(&truth).squared_norm() / truth.squared_norm()).sqrt();
        assert_eq!(rank, RANK);
        assert!((error / ERROR - 1.0).abs() < digits, "the relative error is {error}");
        let row = |m: &Matrix, i: usize| (0..800).map(|j| m.at(i, j)).collect::<Vec<f64>>();
        assert_eq!(order(&row(&found, 0))[..5], FIRST);
        let plan = Plan::new(100, 100);
        let complete = |_: &[Scored]| Ok::<_, ()>((0..60).map(|i| row(&found, i)).collect());
        let best = search(&plan, 800, &vec![items.clone(); 60], complete, |i, item| truth.at(i, item)).unwrap();
        for (k, expected) in RECALLS {
            let hits =
                |i: usize| order(&row(&truth, i))[..k].iter().filter(|item| best[i].items.contains(item)).count();
            assert_eq!((0..60).map(hits).sum::<usize>(), expected, "recall@{k}");
        }
    }
}
