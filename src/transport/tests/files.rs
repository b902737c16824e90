//! Reading files and putting them in place.

use std::os::unix::fs::PermissionsExt;

use super::super::{FileError, Put, PutOutcome, RunAs};
use super::{Bed, on_both_links};

on_both_links!(
    read,
    put_and_put_again,
    validation,
    compare_and_swap,
    what_is_not_a_file,
    large_content
);

async fn read(bed: &Bed) {
    let path = bed.path("a b'c");
    let read = |max| bed.host.read_file(&path, RunAs::Login, max);
    assert_eq!(read(10).await, Ok(None));
    std::fs::write(&path, [0xff, 0, b'\n']).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let file = read(3).await.unwrap().unwrap();
    assert_eq!(
        (file.content, file.mode, file.owner.as_str()),
        (vec![0xff, 0, b'\n'], 0o640, bed.host.user())
    );
    assert_eq!(file.sha256.len(), 64);
    assert_eq!(
        read(2).await,
        Err(FileError::TooLarge {
            path: path.clone(),
            max: 2
        })
    );
    assert!(matches!(
        bed.host.read_file("/usr", RunAs::Login, 9).await,
        Err(FileError::NotRegular { .. })
    ));
    assert!(bed.host.read_file("relative", RunAs::Login, 9).await.is_err());
    assert_eq!(bed.host.read_file("/etc/passwd/x", RunAs::Login, 9).await, Ok(None));
}

fn content(bed: &Bed, text: &str) -> Put {
    Put {
        path: bed.path("conf"),
        content: text.into(),
        ..Put::default()
    }
}

async fn put_and_put_again(bed: &Bed) {
    let mode = || std::fs::metadata(bed.path("conf")).unwrap().permissions().mode() & 0o7777;
    let text = || std::fs::read_to_string(bed.path("conf")).unwrap();
    assert_eq!(bed.host.put(content(bed, "one\n")).await, Ok(PutOutcome::Written { backup: None }));
    assert_eq!((text().as_str(), mode()), ("one\n", 0o644));
    assert_eq!(bed.host.put(content(bed, "one\n")).await, Ok(PutOutcome::Unchanged));
    let stricter = Put {
        mode: Some(0o600),
        owner: Some(bed.host.user().into()),
        ..content(bed, "one\n")
    };
    assert_eq!(bed.host.put(stricter.clone()).await, Ok(PutOutcome::Written { backup: None }));
    assert_eq!((mode(), bed.host.put(stricter).await), (0o600, Ok(PutOutcome::Unchanged)));
    let Ok(PutOutcome::Written { backup: Some(copy) }) = bed
        .host
        .put(Put {
            backup: true,
            ..content(bed, "two\n")
        })
        .await
    else {
        panic!("a copy is kept")
    };
    assert_eq!(
        (text().as_str(), mode(), std::fs::read_to_string(copy).unwrap().as_str()),
        ("two\n", 0o600, "one\n")
    );
    assert_eq!(
        bed.host
            .put(Put {
                content: Vec::new(),
                ..content(bed, "")
            })
            .await,
        Ok(PutOutcome::Written { backup: None })
    );
    let nowhere = Put {
        path: bed.path("no/dir/x"),
        ..content(bed, "x")
    };
    assert!(matches!(bed.host.put(nowhere).await, Err(FileError::Denied { .. })));
}

fn leftovers(bed: &Bed) -> usize {
    std::fs::read_dir(&bed.dir)
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with(".rbk"))
        .count()
}

async fn validation(bed: &Bed) {
    let checked = |text: &str| {
        let validate = ["sh", "-c", "grep good \"$1\" || { echo bad line; exit 3; }", "check", "{{file}}"];
        Put {
            validate: Some(validate.map(String::from).to_vec()),
            ..content(bed, text)
        }
    };
    assert_eq!(bed.host.put(checked("good\n")).await, Ok(PutOutcome::Written { backup: None }));
    let refused = PutOutcome::ValidationFailed {
        code: 3,
        output: "bad line".into(),
    };
    assert_eq!(bed.host.put(checked("evil\n")).await, Ok(refused));
    assert_eq!(std::fs::read_to_string(bed.path("conf")).unwrap(), "good\n");
    assert_eq!(leftovers(bed), 0);
}

async fn compare_and_swap(bed: &Bed) {
    let expecting = |sha: &str, text: &str| Put {
        expect_sha256: Some(sha.into()),
        ..content(bed, text)
    };
    assert_eq!(
        bed.host.put(expecting("absent", "one\n")).await,
        Ok(PutOutcome::Written { backup: None })
    );
    let one = bed
        .host
        .read_file(&bed.path("conf"), RunAs::Login, 99)
        .await
        .unwrap()
        .unwrap()
        .sha256;
    assert_eq!(
        bed.host.put(expecting("absent", "two\n")).await,
        Ok(PutOutcome::Conflict { found_sha256: one.clone() })
    );
    assert_eq!(
        bed.host.put(expecting(&one, "two\n")).await,
        Ok(PutOutcome::Written { backup: None })
    );
    assert!(matches!(
        bed.host.put(expecting(&one, "three\n")).await,
        Ok(PutOutcome::Conflict { .. })
    ));
    std::fs::remove_file(bed.path("conf")).unwrap();
    assert_eq!(
        bed.host.put(expecting(&one, "four\n")).await,
        Ok(PutOutcome::Conflict {
            found_sha256: "absent".into()
        })
    );
}

async fn what_is_not_a_file(bed: &Bed) {
    std::os::unix::fs::symlink("/etc/passwd", bed.path("conf")).unwrap();
    assert!(matches!(bed.host.put(content(bed, "x")).await, Err(FileError::NotRegular { .. })));
    std::fs::remove_file(bed.path("conf")).unwrap();
    std::fs::create_dir(bed.path("conf")).unwrap();
    assert!(matches!(bed.host.put(content(bed, "x")).await, Err(FileError::NotRegular { .. })));
}

async fn large_content(bed: &Bed) {
    let bytes: Vec<u8> = (0..3_000_000u32).flat_map(|n| n.to_le_bytes()).take(4 << 20).collect();
    let put = || Put {
        content: bytes.clone(),
        ..content(bed, "")
    };
    assert_eq!(bed.host.put(put()).await, Ok(PutOutcome::Written { backup: None }));
    assert_eq!(bed.host.put(put()).await, Ok(PutOutcome::Unchanged));
    let back = bed.host.read_file(&bed.path("conf"), RunAs::Login, 4 << 20).await.unwrap().unwrap();
    assert!(back.content == bytes);
    assert_eq!(leftovers(bed), 0);
}
